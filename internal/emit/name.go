package emit

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// maxName is the maximum length of a credential's name. A name has at least three characters, out
// of letters, digits, - and _, and starts with a letter or a digit.
const maxName = 120

// credentialName returns a name that depends on issuer, subject and audience, so that different
// credentials have different names: two clusters can have the same service account, and the Azure
// CLI and Bicep overwrite a credential that already has the name.
func credentialName(wl Workload) string {
	base := "workload"
	if wl.isServiceAccount() {
		base = wl.Namespace + "-" + wl.ServiceAccount
	}
	sum := sha256.Sum256([]byte(wl.Issuer + "\n" + wl.Subject + "\n" + wl.Audience))
	suffix := fmt.Sprintf("-%x", sum[:4])
	base = strings.TrimLeft(strings.Map(nameRune, base), "-_")
	return strings.TrimLeft(base[:min(len(base), maxName-len(suffix))]+suffix, "-")
}

// nameRune replaces a character that a name must not have with a hyphen.
func nameRune(c rune) rune {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' {
		return c
	}
	return '-'
}
