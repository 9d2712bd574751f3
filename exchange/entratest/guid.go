package entratest

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
)

var guidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// tenantForm matches what Entra accepts as a tenant: a GUID or a DNS name.
var tenantForm = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?$`)

// canonical returns an ID as Entra writes it: a GUID in lower case, anything else unchanged.
func canonical(id string) string {
	if guidForm.MatchString(id) {
		return strings.ToLower(id)
	}
	return id
}

// tenantGUID returns the GUID of a tenant. A domain maps to a fixed GUID.
func tenantGUID(tenant string) string {
	if guidForm.MatchString(tenant) {
		return strings.ToLower(tenant)
	}
	return guidOf("tenant", strings.ToLower(tenant))
}

// newGUID returns a random GUID.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return formatGUID(b[:], 4)
}

// guidOf derives a GUID from parts, so that a test sees the same identifiers in every run.
func guidOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return formatGUID(sum[:16], 8)
}

// formatGUID formats 16 bytes as a GUID of an RFC 9562 version: 4 is random, 8 is custom.
func formatGUID(b []byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
