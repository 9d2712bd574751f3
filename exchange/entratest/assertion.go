package entratest

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertion is what a client presented, parsed and not verified. A claim that is absent is the zero value.
type assertion struct {
	header                    map[string]any
	issuer, subject           string
	audience                  []string
	issued, notBefore, expiry time.Time
	signed                    string // header and claims, as they were signed
	signature                 []byte

	// Of Entra's own tokens:
	kind            string // idtyp, "app" or "user"
	managedIdentity string // xms_mirid, the resource ID
	delegated       bool   // it has scp, the permissions that a user granted
}

// text returns a member of the header, "" where it is no string.
func (a *assertion) text(member string) string {
	value, _ := a.header[member].(string)
	return value
}

var errMalformed = errors.New("not a JWT")

// parseAssertion takes the compact form of a JWT as it stands: a newline at its end is enough for Entra to refuse it.
func parseAssertion(raw string) (*assertion, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || strings.ContainsAny(raw, "\r\n") { // the decoder would skip line breaks
		return nil, errMalformed
	}
	header, claims := map[string]any{}, jwt.MapClaims{}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) == 0 || !decodeObject(parts[0], &header) || !decodeObject(parts[1], (*map[string]any)(&claims)) {
		return nil, errMalformed
	}
	a, err := newAssertion(header, claims)
	if err != nil {
		return nil, err
	}
	a.signed, a.signature = parts[0]+"."+parts[1], signature
	return a, nil
}

func decodeObject(segment string, into *map[string]any) bool {
	text, err := base64.RawURLEncoding.DecodeString(segment)
	return err == nil && json.Unmarshal(text, into) == nil && *into != nil // nil: the JSON was null
}

// newAssertion gives an error when a registered claim has a type that it cannot have.
func newAssertion(header map[string]any, claims jwt.MapClaims) (*assertion, error) {
	issuer, err1 := claims.GetIssuer()
	subject, err2 := claims.GetSubject()
	audience, err3 := claims.GetAudience()
	issued, err4 := claims.GetIssuedAt()
	notBefore, err5 := claims.GetNotBefore()
	expiry, err6 := claims.GetExpirationTime()
	kind, _ := claims["idtyp"].(string)
	managedIdentity, _ := claims["xms_mirid"].(string)
	_, delegated := claims["scp"]
	return &assertion{
		header: header, issuer: issuer, subject: subject, audience: audience,
		issued: instant(issued), notBefore: instant(notBefore), expiry: instant(expiry),
		kind: kind, managedIdentity: managedIdentity, delegated: delegated,
	}, errors.Join(err1, err2, err3, err4, err5, err6)
}

func instant(d *jwt.NumericDate) time.Time {
	if d == nil {
		return time.Time{}
	}
	return d.Time
}

// signedBy verifies the signature, RS256 (RFC 7518 section 3.3).
func (a *assertion) signedBy(key *rsa.PublicKey) bool {
	return jwt.SigningMethodRS256.Verify(a.signed, a.signature, key) == nil
}
