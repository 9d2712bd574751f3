package setups

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// ownKey signs tokens that no cluster issues. It is generated once, on first use, because that
// takes a while.
var ownKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

const ownKeyID = "own"

// claims returns the claims of a correct pod's token, valid for an hour from now.
func claims() jwt.MapClaims {
	now := time.Now()
	return jwt.MapClaims{
		"iss": entratest.DefaultIssuer, "sub": subject, "aud": []string{exchangeURI},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// claimsOf returns the claims of another issuer's token.
func claimsOf(issuer string) jwt.MapClaims {
	c := claims()
	c["iss"] = issuer
	return c
}

// issued mounts a token with one change to the correct claims. Its issuer publishes the key, so
// nothing else is wrong with it.
func (p *Pod) issued(change func(jwt.MapClaims)) error {
	token := claims()
	change(token)
	issuer, _ := token["iss"].(string)
	raw, err := signed(token)
	return errors.Join(err, p.publish(issuer), p.write(raw))
}

// signed returns a token signed with ownKey.
func signed(claims jwt.MapClaims) (string, error) { return signedWith(claims, nil) }

// signedWith returns a token signed with ownKey that has more in its header.
func signedWith(claims jwt.MapClaims, header map[string]any) (string, error) {
	key, err := ownKey()
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = ownKeyID
	maps.Copy(token.Header, header)
	return token.SignedString(key)
}

// headed mounts a token with an extra member in its header.
func headed(member string, value any) func(*Pod) error {
	return func(p *Pod) error {
		raw, err := signedWith(claims(), map[string]any{member: value})
		return errors.Join(err, p.publish(entratest.DefaultIssuer), p.write(raw))
	}
}

// ellipticallySigned returns a token signed with an elliptic-curve key.
func ellipticallySigned(claims jwt.MapClaims) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
}

// publish serves an issuer's documents with ownKey. Other paths of its host stay as they are.
func (p *Pod) publish(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" {
		return err // an issuer without a URL publishes nothing
	}
	key, err := ownJWK()
	if err != nil {
		return err
	}
	p.publishAs(u, map[string]any{"issuer": issuer}, key)
	return nil
}

// ownJWK returns ownKey as an issuer publishes it (RFC 7517).
func ownJWK() (map[string]any, error) {
	key, err := ownKey()
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": ownKeyID, "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
	}, nil
}

// published mounts a token signed with ownKey, which the issuer publishes with a change.
func published(change func(key map[string]any)) func(*Pod) error {
	return func(p *Pod) error {
		raw, err1 := signed(claims())
		key, err2 := ownJWK()
		u, err3 := url.Parse(entratest.DefaultIssuer)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		change(key)
		p.publishAs(u, map[string]any{"issuer": entratest.DefaultIssuer}, key)
		return p.write(raw)
	}
}

// publishAs serves an issuer's documents: one key, and the configuration with defaults for missing
// members.
func (p *Pod) publishAs(u *url.URL, configuration, key map[string]any) {
	base := strings.TrimSuffix(u.Path, "/")
	whole := map[string]any{"jwks_uri": "https://" + u.Host + base + "/openid/v1/jwks", "id_token_signing_alg_values_supported": []string{"RS256"}}
	maps.Copy(whole, configuration)
	documents := map[string]any{
		base + "/.well-known/openid-configuration": whole,
		base + "/openid/v1/jwks":                   map[string]any{"keys": []any{key}},
	}
	before := p.here[u.Host]
	p.serve(u.Host, func(r *http.Request) (*http.Response, error) {
		document, ours := documents[r.URL.Path]
		switch {
		case !ours && before != nil:
			return before(r)
		case !ours:
			return respond(r, http.StatusNotFound, "text/plain; charset=utf-8", "not found"), nil
		}
		text, err := json.Marshal(document)
		return respond(r, http.StatusOK, "application/json", string(text)), err
	})
}

// write gives the pod a file with the text instead of the projected file.
func (p *Pod) write(text string) error {
	path := p.newPath("token")
	p.Env[envTokenFile] = path
	return os.WriteFile(path, []byte(text), 0o600)
}

// mounted projects a cluster's token for a changed request.
func mounted(change func(*entratest.TokenRequest)) func(*Pod) error {
	return func(p *Pod) error {
		request := account()
		change(&request)
		return p.project(request)
	}
}

// claimed mounts a token with changed claims.
func claimed(change func(jwt.MapClaims)) func(*Pod) error {
	return func(p *Pod) error { return p.issued(change) }
}

// written gives the pod a file with the text.
func written(text string) func(*Pod) error {
	return func(p *Pod) error { return p.write(text) }
}
