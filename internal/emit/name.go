package emit

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// maxName is how long a credential's name may be; it has three characters or more, letters, digits, - and _, the first a
// letter or digit.
const maxName = 120

// credentialName is the same for the same issuer and subject, and another for others: the Azure CLI and Bicep overwrite the
// credential that has a name already, and two clusters can have the same service account.
func credentialName(wl Workload) string {
	base := "workload"
	if wl.isServiceAccount() {
		base = wl.Namespace + "-" + wl.ServiceAccount
	}
	sum := sha256.Sum256([]byte(wl.Issuer + "\n" + wl.Subject))
	suffix := fmt.Sprintf("-%x", sum[:4])
	base = strings.TrimLeft(strings.Map(nameRune, base), "-_")
	return strings.TrimLeft(base[:min(len(base), maxName-len(suffix))]+suffix, "-")
}

// nameRune keeps what a name may have.
func nameRune(c rune) rune {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' {
		return c
	}
	return '-'
}
