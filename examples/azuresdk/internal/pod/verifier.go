package pod

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// Verifier judges access tokens as a service does: signed by Entra ID, for this audience, not expired, not revoked.
type Verifier struct {
	audience string
	keys     map[string]*rsa.PublicKey
	revoked  *sync.Map // the pod's
}

// Revoke makes all services refuse a token.
func (p *Pod) Revoke(token string) { p.revoked.Store(token, true) }

// Verifier returns one for an audience, with the keys that Entra ID publishes.
func (p *Pod) Verifier(audience string) Verifier {
	request, err := http.NewRequest(http.MethodGet, "https://login.microsoftonline.com/common/discovery/v2.0/keys", nil)
	must(err)
	response, err := p.Entra.Do(request)
	must(err)
	defer func() { _ = response.Body.Close() }()
	var document struct{ Keys []struct{ Kid, N, E string } }
	must(json.NewDecoder(response.Body).Decode(&document))
	v := Verifier{audience: audience, keys: map[string]*rsa.PublicKey{}, revoked: &p.revoked}
	for _, k := range document.Keys {
		v.keys[k.Kid] = &rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}
	}
	return v
}

func number(encoded string) *big.Int {
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	must(err)
	return new(big.Int).SetBytes(b)
}

// Header judges an Authorization header.
func (v Verifier) Header(header string) error {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return errors.New("no bearer token")
	}
	return v.Token(token)
}

// Token judges a bare token. The error does not quote it.
func (v Verifier) Token(token string) error {
	if _, is := v.revoked.Load(token); is {
		return errors.New("the token is revoked")
	}
	_, err := jwt.Parse(token, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		if key, known := v.keys[id]; known {
			return key, nil
		}
		return nil, errors.New("unknown key")
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(v.audience), jwt.WithExpirationRequired())
	return err
}
