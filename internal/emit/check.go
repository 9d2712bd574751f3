package emit

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCharacters is Entra ID's limit for an issuer, a subject and an audience
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust). Names
// are shorter.
const maxCharacters = 600

// check reports, on one line, every value that no form can carry. If credential is set, it requires
// issuer, subject and audience.
func check(wl Workload, credential bool) error {
	var wrong []string
	for _, field := range []struct {
		name, value string
		check       func(string) string
		required    bool
	}{
		{"ClientID", wl.ClientID, checkID, false},
		{"TenantID", wl.TenantID, checkID, false},
		{"Issuer", wl.Issuer, checkText, credential},
		{"Subject", wl.Subject, checkText, credential},
		{"Audience", wl.Audience, checkText, credential},
		{"Namespace", wl.Namespace, checkText, false},
		{"ServiceAccount", wl.ServiceAccount, checkText, false},
	} {
		if reason := field.check(field.value); reason != "" {
			wrong = append(wrong, field.name+" "+reason)
		} else if field.required && field.value == "" {
			wrong = append(wrong, field.name+" is empty")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}

func checkText(s string) string {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "has a control character"
	case n > maxCharacters:
		return fmt.Sprintf("has %d characters; the maximum is %d", n, maxCharacters)
	}
	return ""
}

// checkID accepts GUIDs and domains. It rejects quotes, which the Azure CLI's query language would
// interpret.
func checkID(s string) string {
	other := func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.')
	}
	if i := strings.IndexFunc(s, other); i >= 0 {
		return "is not an ID: it has characters other than letters, digits, '-' and '.'"
	}
	if len(s) > maxCharacters {
		return "is not an ID: it is too long"
	}
	return ""
}
