package broken

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
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

// ownKey signs what no cluster issues. It is made once, when first needed: that takes a while.
var ownKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

const ownKeyID = "own"

// claims are those of the token that the right pod has, of an hour from now.
func claims() jwt.MapClaims {
	now := time.Now()
	return jwt.MapClaims{
		"iss": entratest.DefaultIssuer, "sub": subject, "aud": []string{exchangeURI},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// issued mounts a token with the right claims but for a change, from an issuer that publishes its key: nothing else is wrong with it.
func (p *Pod) issued(change func(jwt.MapClaims)) error {
	token := claims()
	change(token)
	issuer, _ := token["iss"].(string)
	raw, err := signed(token)
	return errors.Join(err, p.publish(issuer), p.write(raw))
}

// signed returns a token of the own key.
func signed(claims jwt.MapClaims) (string, error) {
	key, err := ownKey()
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = ownKeyID
	return token.SignedString(key)
}

// ellipticallySigned returns a token that an elliptic key signed.
func ellipticallySigned(claims jwt.MapClaims) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
}

// publish serves the documents of an issuer with the own key. What else its host serves stays.
func (p *Pod) publish(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" {
		return err // one without a URL publishes nothing
	}
	key, err := ownKey()
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(u.Path, "/")
	encode := base64.RawURLEncoding.EncodeToString
	keys := map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": ownKeyID, "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
	}}}
	documents := map[string]any{
		base + "/.well-known/openid-configuration": map[string]any{
			"issuer": issuer, "jwks_uri": "https://" + u.Host + base + "/openid/v1/jwks", "id_token_signing_alg_values_supported": []string{"RS256"},
		},
		base + "/openid/v1/jwks": keys,
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
	return nil
}

// write gives the pod a file with the text instead of the projected one.
func (p *Pod) write(text string) error {
	path := p.newPath("token")
	p.Env[envTokenFile] = path
	return os.WriteFile(path, []byte(text), 0o600)
}

// mounted projects a token of the cluster that was asked for otherwise.
func mounted(change func(*entratest.TokenRequest)) func(*Pod) error {
	return func(p *Pod) error {
		request := account()
		change(&request)
		return p.project(request)
	}
}

// claimed mounts a token with other claims than Kubernetes gives it.
func claimed(change func(jwt.MapClaims)) func(*Pod) error {
	return func(p *Pod) error { return p.issued(change) }
}

// written gives the pod a file with a text.
func written(text string) func(*Pod) error {
	return func(p *Pod) error { return p.write(text) }
}
