package emit

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// fill puts values in the place of a text's verbs, each as a literal of the text's language. The forms have no other way to
// get a value into a text, so that none can forget to quote.
//
// The functions that make literals take what check lets through: valid UTF-8 without control characters.
func fill(text string, literal func(string) string, values ...string) string {
	literals := make([]any, len(values))
	for i, v := range values {
		literals[i] = literal(v)
	}
	return fmt.Sprintf(text, literals...)
}

// shell quotes for a POSIX shell, where nothing is special between single quotes but the quote that ends them.
func shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// hcl quotes for Terraform: Go's escapes are HCL's too, as far as a value without control characters needs any, and a template
// begins with ${ or %{, which are escaped by doubling.
func hcl(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}

// yaml quotes for YAML, whose escapes between double quotes include all of Go's.
func yaml(s string) string { return strconv.Quote(s) }

// bicepString quotes for Bicep, where ${ begins an expression.
func bicepString(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\'' || c == '\\' || c == '$':
			b.WriteRune('\\')
			b.WriteRune(c)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		default:
			fmt.Fprintf(&b, `\u{%x}`, c)
		}
	}
	return "'" + b.String() + "'"
}

// verbatim is for text that only people and their clipboards read.
func verbatim(s string) string { return s }
