package pod

import (
	"errors"
	"strings"
)

// Verifier checks access tokens as a service does: issued by Entra ID, for this audience, not
// expired, not revoked.
type Verifier struct {
	audience string
	pod      *Pod
}

// Revoke makes all services refuse a token.
func (p *Pod) Revoke(token string) { p.revoked.Store(token, true) }

// Verifier returns a verifier for an audience.
func (p *Pod) Verifier(audience string) Verifier { return Verifier{audience, p} }

// Header verifies an Authorization header.
func (v Verifier) Header(header string) error {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return errors.New("no bearer token")
	}
	return v.Token(token)
}

// Token verifies a bare token. The error does not quote it.
func (v Verifier) Token(token string) error {
	if _, is := v.pod.revoked.Load(token); is {
		return errors.New("the token is revoked")
	}
	_, err := v.pod.Entra.VerifyToken(token, v.audience)
	return err
}
