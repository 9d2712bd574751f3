package entratest

import (
	"cmp"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertion is a parsed token that is not verified yet. Missing claims are zero values.
type assertion struct {
	header                    map[string]any
	issuer, subject           string
	audience                  []string
	issued, notBefore, expiry time.Time
	signed                    string // header and claims: the part that the signature covers
	signature                 []byte

	// Only in tokens that Entra issued:
	kind            string   // idtyp: "app" or "user"
	managedIdentity string   // xms_mirid: the resource ID
	delegated       bool     // has scp, the permissions that a user granted
	client, tenant  string   // azp (v2.0) or appid (v1.0), and tid
	username        string   // upn
	methods         []string // amr: how the user signed in
}

// text returns a member of the header, or "" if it is not a string.
func (a *assertion) text(member string) string {
	value, _ := a.header[member].(string)
	return value
}

var errMalformed = errors.New("not a JWT")

// parseAssertion parses a JWT in compact form. It does not trim white space: Entra refuses an
// assertion for a trailing newline.
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

// newAssertion fails if a registered claim has the wrong type.
func newAssertion(header map[string]any, claims jwt.MapClaims) (*assertion, error) {
	issuer, err1 := claims.GetIssuer()
	subject, err2 := claims.GetSubject()
	audience, err3 := claims.GetAudience()
	issued, err4 := claims.GetIssuedAt()
	notBefore, err5 := claims.GetNotBefore()
	expiry, err6 := claims.GetExpirationTime()
	text := func(claim string) string { value, _ := claims[claim].(string); return value }
	var methods []string
	if all, ok := claims["amr"].([]any); ok {
		for _, method := range all {
			methods = append(methods, fmt.Sprint(method))
		}
	}
	_, delegated := claims["scp"]
	return &assertion{
		header: header, issuer: issuer, subject: subject, audience: audience,
		issued: instant(issued), notBefore: instant(notBefore), expiry: instant(expiry),
		kind: text("idtyp"), managedIdentity: text("xms_mirid"), delegated: delegated,
		client: cmp.Or(text("azp"), text("appid")), tenant: text("tid"), username: text("upn"), methods: methods,
	}, errors.Join(err1, err2, err3, err4, err5, err6)
}

func instant(d *jwt.NumericDate) time.Time {
	if d == nil {
		return time.Time{}
	}
	return d.Time
}

// isFor reports whether the assertion has the audience of a federated credential.
func (a *assertion) isFor(audience string) bool {
	return slices.Contains(a.audience, audience) ||
		audience == exchangeAudience && issuedByEntra(a.issuer) && slices.Contains(a.audience, exchangeAppID)
}

// isForExchange reports whether the assertion, a token of Entra's own, is for token exchange.
func (a *assertion) isForExchange() bool {
	return slices.ContainsFunc(a.audience, func(audience string) bool { return slices.Contains(entraAudiences, audience) })
}

// signedBy reports whether key verifies the signature with RS256 (RFC 7518 section 3.3).
func (a *assertion) signedBy(key *rsa.PublicKey) bool {
	return jwt.SigningMethodRS256.Verify(a.signed, a.signature, key) == nil
}
