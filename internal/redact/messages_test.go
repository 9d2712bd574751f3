package redact_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/entrafed/entrafed/internal/redact"
)

func TestMessagesQuoteNothingThatGrantsAccess(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.c2lnbmF0dXJl"
	for message, shown := range map[string]string{
		"flag provided but not defined: -scopes\nUsage of doctor:\n  -h\tdefault true\n": "flag provided but not defined: -scopes\nUsage of doctor:\n  -h\tdefault true\n",
		`invalid value "https://u:hun ter2@a.example" for flag -timeout`:                 `invalid value "[redacted]" for flag -timeout`,
		`invalid value "Bearer ` + token + `" for flag -timeout`:                         `invalid value "[redacted]" for flag -timeout`,
		"open https://a.example/c?sig=hunter2: no such file":                             "open https://a.example/c?sig=…: no such file",
		"open /var/run/" + token + ": no such file":                                      "open [redacted] no such file",
		"Entra ID accepted the token: all is well":                                       "Entra ID accepted the token: all is well",
		"flag provided but not defined: -user:hunter2@a.example":                         "flag provided but not defined: [redacted]",
	} {
		var out strings.Builder
		_, err := fmt.Fprint(redact.Messages(&out), message)
		assert.NoError(t, err)
		assert.Equal(t, shown, out.String())
	}
}

// Names that look like a user and a password are left in a message: subjects and user accounts.
func TestMessageKeepsNames(t *testing.T) {
	for message, shown := range map[string]string{
		`required subject "repo:octo@1/shop@2:ref:refs/heads/main"`:   `required subject "repo:octo@1/shop@2:ref:refs/heads/main"`,
		"user:pat@contoso.com may not, says https://a.example/?k=v":   "user:pat@contoso.com may not, says https://a.example/?k=…",
		"a@b:c https://u:hunter2@a.example.":                          "a@b:c https://[redacted]@a.example.",
		`{"message":"TF400813: The user 'pat@contoso.com' may not."}`: `{"message":"TF400813: The user 'pat@contoso.com' may not."}`,
		`"Bad: see https://a.example/, or ask pat@b.example"`:         `"Bad: see https://a.example/, or ask pat@b.example"`,
		`error_description="Bearer token: x expired"`:                 `error_description="Bearer token: x expired"`,
		"ID 'x' is at `C:\\tokens\\token` (https://aka.ms/x?a=b) now": "ID 'x' is at `C:\\tokens\\token` (https://aka.ms/x?a=…) now",
		"redirect 'https://a/b?x=1' does not match":                   "redirect 'https://a/b?x=…' does not match",
	} {
		assert.Equal(t, shown, redact.Message(message))
	}
}
