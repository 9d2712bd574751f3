// Package issuer signs tokens for this module's fakes.
package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer signs tokens and remembers them. The zero value is ready to use. It is safe for concurrent
// use.
type Issuer struct {
	mu     sync.Mutex
	issued []string
}

// Issued returns all tokens so far, in order.
func (i *Issuer) Issued() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.issued)
}

// Token returns a JWT that is valid for five minutes. It is signed with RS256, the only algorithm
// that Entra ID supports for federation
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations). A
// jti makes every token unique.
func (i *Issuer) Token(url, subject, audience string) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	key, err := signingKey()
	if err != nil {
		return "", err
	}
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: url, Subject: subject, Audience: jwt.ClaimStrings{audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	})
	token.Header["kid"] = "example"
	signed, err := token.SignedString(key)
	if err == nil {
		i.issued = append(i.issued, signed)
	}
	return signed, err
}

// signingKey is generated only once, because an RSA key takes a tenth of a second.
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
