// Package repository checks the repository itself: imports, requirements of the root module, the
// exported API, and documents. It contains only tests.
package repository
