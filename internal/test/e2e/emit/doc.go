// Package emit checks the output of internal/emit and the templates in examples/kubernetes with the
// parsers of the tools that read them. It contains only tests. README.md has the command.
package emit
