// Package checks looks at the repository itself: what imports what, what the root module requires, and what is exported. It
// is all tests.
package checks
