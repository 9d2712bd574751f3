package emit

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// fill replaces the verbs of text with values, each as a literal of the text's language. It is the
// only way to put a value into a text, so no form can forget to quote.
//
// The functions that write literals accept what check accepts: valid UTF-8 without control
// characters. They escape characters that do not print, such as one that reverses the text after
// it, because people read a script or a template before they run it.
func fill(text string, literal func(string) string, values ...string) string {
	literals := make([]any, len(values))
	for i, v := range values {
		literals[i] = literal(v)
	}
	return fmt.Sprintf(text, literals...)
}

// hidden reports whether c does not print.
func hidden(c rune) bool { return !unicode.IsPrint(c) }

// shell quotes for a POSIX shell. Between single quotes nothing but the closing quote is special,
// so hidden characters go through printf, as octal escapes in its format.
func shell(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var format strings.Builder
	for i, c := range s {
		switch {
		case c == '\\', c == '%':
			format.WriteRune(c)
			format.WriteRune(c)
		case hidden(c), i == 0 && c == '-': // a leading hyphen would start an option
			for _, octet := range []byte(string(c)) {
				fmt.Fprintf(&format, `\%03o`, octet)
			}
		default:
			format.WriteRune(c)
		}
	}
	return `"$(printf ` + shell(format.String()) + `)"`
}

// asJSON escapes the hidden characters in the strings of text, which is JSON.
func asJSON(text []byte) string {
	var b strings.Builder
	for _, c := range string(text) {
		if c == '\n' || !hidden(c) {
			b.WriteRune(c)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// hcl quotes for Terraform. The escapes that Go uses for a value without control characters are
// valid in HCL too. ${ and %{ start a template, and are escaped by doubling the first character.
func hcl(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}

// yaml quotes for YAML, whose double-quoted strings support all of Go's escapes.
func yaml(s string) string { return strconv.Quote(s) }

// bicepString quotes for Bicep, where ${ starts an expression.
func bicepString(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\'' || c == '\\' || c == '$':
			b.WriteRune('\\')
			b.WriteRune(c)
		case hidden(c):
			fmt.Fprintf(&b, `\u{%x}`, c)
		default:
			b.WriteRune(c)
		}
	}
	return "'" + b.String() + "'"
}

// verbatim quotes nothing. It is for text that people copy by hand, where an escape would be wrong.
func verbatim(s string) string { return s }
