package entratest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// UserToken describes a user's access token, as an API receives it in an Authorization header.
type UserToken struct {
	TenantID string // required
	Audience string // required; the client ID of the API or of an agent's blueprint
	Username string // the user principal name; default: "user@example.com"
	Scope    string // what the API may do for the user; default: "access_as_user"

	// MFA means that the user signed in with more than one factor. See Policy.MFAResources.
	MFA bool

	// Lifetime is in whole seconds. 0 means the lifetime of the server's other tokens. -d means
	// that the token expired d ago.
	Lifetime time.Duration
}

// IssueUserToken issues a user's access token for an API under test, as if the user had signed in
// to a client of the API. The API can present the token to this server to act on behalf of the
// user. IssueUserToken fails if a required field is missing.
func (s *Server) IssueUserToken(t UserToken) (string, error) {
	if t.TenantID == "" || t.Audience == "" {
		return "", errors.New("entratest: a user's token needs a TenantID and an Audience")
	}
	lifetime := cmp.Or(t.Lifetime, s.lifetime())
	issued := time.Now().Add(s.ClockSkew)
	expiry := issued.Add(lifetime)
	if lifetime < 0 {
		issued = expiry.Add(-time.Hour) // an expired token was valid once
	}
	u, tenant := &user{name: cmp.Or(t.Username, "user@example.com"), mfa: t.MFA}, tenantGUID(t.TenantID)
	claims := u.claims(tenant, t.Audience)
	claims["scp"] = cmp.Or(t.Scope, "access_as_user")
	maps.Copy(claims, map[string]any{
		"aud": t.Audience, "iss": "https://" + clouds[0].PreferredNetwork + "/" + tenant + "/v2.0", "ver": "2.0",
		"iat": issued.Unix(), "nbf": issued.Unix(), "exp": expiry.Unix(), "tid": tenant, "uti": newTokenID(),
		"azp": guidOf("client of", t.Audience), "azpacr": "0", "preferred_username": u.name,
	})
	return s.signer.sign(claims, "JWT")
}

// user is the user that a delegated token is for.
type user struct {
	name  string // user principal name
	agent bool   // whether it is an agent's user account
	mfa   bool
}

// claims returns the claims that identify the user. A user's oid is always the same, but each
// application sees a different sub.
func (u *user) claims(tenant, application string) jwt.MapClaims {
	pairwise := sha256.Sum256([]byte(tenant + "\x00" + strings.ToLower(u.name) + "\x00" + application))
	amr := []string{"pwd"}
	if u.mfa {
		amr = append(amr, "mfa")
	}
	return jwt.MapClaims{
		"idtyp": "user", "oid": userID(tenant, u.name), "sub": base64.RawURLEncoding.EncodeToString(pairwise[:]),
		"name": u.name, "upn": u.name, "amr": amr,
	}
}

// userID returns a user's object ID. A name that already is an object ID is returned in lower case.
func userID(tenant, name string) string {
	name = strings.ToLower(name)
	if guidForm.MatchString(name) {
		return name
	}
	return guidOf("user", tenant, name)
}

// checkUser judges the user's token in the on-behalf-of grant. A server that is not strict accepts
// any JWT that has not expired.
func (s *Server) checkUser(c *call) *refusal {
	a, err := parseAssertion(c.Form.Get("assertion"))
	if err != nil {
		return &refusal{code: 50027}
	}
	c.user = &user{name: cmp.Or(a.username, a.subject), mfa: slices.Contains(a.methods, "mfa")}
	if !s.strict() {
		return a.checkUserExpiry(c.now)
	}
	expected := c.application()
	switch {
	case !s.issued(a) || a.tenant != c.tenant:
		return &refusal{code: 50013, about: a}
	case a.checkUserExpiry(c.now) != nil:
		return a.checkUserExpiry(c.now)
	case a.kind != "user":
		return &refusal{code: 7000114}
	case !slices.Contains(a.audience, expected) && !slices.Contains(a.audience, "api://"+expected):
		return &refusal{code: 500131, name: expected, about: a}
	}
	return nil
}

// checkUserExpiry is checkExpiry for a user's token, which has a different code.
func (a *assertion) checkUserExpiry(now time.Time) *refusal {
	if a.checkExpiry(now) != nil {
		return &refusal{code: 500133, about: a}
	}
	return nil
}

// issued reports whether this server signed the token.
func (s *Server) issued(a *assertion) bool {
	key := s.signer.find(a.text("kid"))
	return key != nil && a.text("alg") == "RS256" && a.signedBy(key)
}

// VerifyToken verifies an access token of this server: its signature, lifetime and audience. An
// empty audience accepts any. It returns the token's claims. The error does not quote the token.
//
// Use it in a test's fake of the resource that the program under test calls.
func (s *Server) VerifyToken(token, audience string) (map[string]any, error) {
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return time.Now().Add(s.ClockSkew) }),
	}
	if audience != "" {
		options = append(options, jwt.WithAudience(audience))
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if key := s.signer.find(kid); key != nil {
			return key, nil
		}
		return nil, errors.New("this server has no key with that ID")
	}, options...)
	if err != nil {
		return nil, fmt.Errorf("entratest: access token: %w", err)
	}
	return claims, nil
}
