// Package guid makes and recognizes the GUIDs that name requests, identities and tenants.
package guid

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
)

// New returns a random GUID, version 4 of RFC 9562.
func New() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var form = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// Is reports whether s is a GUID, in either case.
func Is(s string) bool { return form.MatchString(s) }

// OrDomain reports whether s can name a tenant, as a GUID or a domain name: 1 to 253 letters,
// digits, dots and hyphens. Anything else could change the meaning of a URL that contains it, or be
// a token that was given by mistake.
func OrDomain(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	// RFC 1035, section 2.3.4, without the length bytes.
	return strings.Trim(s, ".") != "" && len(s) <= 253
}
