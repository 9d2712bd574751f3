// Package emit checks what internal/emit prints, and the templates of examples/kubernetes, with the parsers of those who will
// read them. It is all tests; README.md has the command.
package emit
