package diagnose

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/internal/redact"
)

// checkIssuer does what Entra ID does with the issuer: its documents, its keys, the signature. From here it can look otherwise than from
// the internet, so nothing of it is a failure until Entra ID says so.
func checkIssuer(ctx context.Context, w *walk, l *Link) {
	t := w.token
	if t == nil {
		l.skip("there is no federated token to read")
		return
	}
	l.see("issuer", t.Issuer)
	l.see("key", t.KeyID)
	l.see("algorithm", t.Algorithm)
	if t.Algorithm != "RS256" {
		l.warn("the token is signed with "+t.Algorithm+", and Entra ID takes RS256 only, from an RSA key",
			"give the issuer an RSA key (kube-apiserver: --service-account-signing-key-file) and publish it in its key set")
		return
	}
	keys, err := w.keysOf(ctx, t.Issuer)
	if err != nil {
		l.see("seen from here", err.Error())
		l.warn("its documents cannot be had from here, or are not the issuer's", "see that they can be had from the public internet; whether Entra ID reaches them, only the exchange tells")
		return
	}
	l.see("keys published", fmt.Sprint(len(keys)))
	key := keys[t.KeyID]
	if key == nil {
		l.warn("the key that signed the token is not among those that the issuer publishes", "compare kubectl get --raw /openid/v1/jwks with the key set of the issuer; after a rotation of keys, wait")
		return
	}
	if err := verify(w.raw, key); err != nil {
		l.warn("the token's signature is not that of the issuer's key of that name", "see what changes the token on its way, and compare kubectl get --raw /openid/v1/jwks with the key set of the issuer")
		return
	}
	l.ok("reachable from here, and its key verifies the signature; whether Entra ID reaches it, only the exchange tells")
}

// discovery has the members of an issuer's document that count here (OpenID Connect Discovery 1.0, section 3).
type discovery struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri"`
}

// keysOf returns the RSA keys that an issuer publishes, by their names.
func (w *walk) keysOf(ctx context.Context, issuer string) (map[string]*rsa.PublicKey, error) {
	if err := fetchable(issuer); err != nil {
		return nil, fmt.Errorf("the issuer %q: %w", clip(issuer), err)
	}
	var document discovery
	if err := w.fetchJSON(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &document); err != nil {
		return nil, err
	}
	switch {
	case document.Issuer == issuer:
	case strings.TrimSuffix(document.Issuer, "/") == strings.TrimSuffix(issuer, "/"):
		return nil, fmt.Errorf("the issuer calls itself %q, and the token has %q: they differ by the slash at the end, and it counts", clip(document.Issuer), clip(issuer))
	default:
		return nil, fmt.Errorf("the issuer calls itself %q, and the token has %q", clip(document.Issuer), clip(issuer))
	}
	if err := fetchable(document.JWKSURI); err != nil {
		return nil, fmt.Errorf("the issuer's jwks_uri %q: %w", clip(document.JWKSURI), err)
	}
	var set struct{ Keys []jwk }
	if err := w.fetchJSON(ctx, document.JWKSURI, &set); err != nil {
		return nil, err
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		if public := k.public(); public != nil {
			keys[k.Kid] = public
		}
	}
	return keys, nil
}

// clip leaves room for what is said of a URL.
func clip(url string) string { return redact.Clip(url, 600) } // as much as Entra ID takes

func (w *walk) fetchJSON(ctx context.Context, target string, into any) error {
	reply, err := w.fetch(ctx, target, "")
	if err != nil {
		return err
	}
	if err := reply.redirect(target); err != nil {
		return err
	}
	switch {
	case reply.status != http.StatusOK:
		return fmt.Errorf("%s answers %s", target, reply.statusText())
	case len(reply.body) > maxDocument:
		return fmt.Errorf("%s has more than 1 MiB", target)
	}
	if json.Unmarshal(reply.body, into) != nil { // its error may quote what was found there
		return fmt.Errorf("%s is not the JSON document that it has to be, but %s", target, reply.media())
	}
	return nil
}

// jwk is an RSA key (RFC 7518, section 6.3.1).
type jwk struct {
	Kty, Use, Alg, Kid, N, E string
}

// public returns nil for a key that is not for RS256, and for one so large that verifying with it would take long.
func (k jwk) public() *rsa.PublicKey {
	n, err1 := base64.RawURLEncoding.DecodeString(k.N)
	e, err2 := base64.RawURLEncoding.DecodeString(k.E)
	if k.Kty != "RSA" || !slices.Contains([]string{"", "sig"}, k.Use) || !slices.Contains([]string{"", "RS256"}, k.Alg) ||
		errors.Join(err1, err2) != nil || len(n) == 0 || len(n) > 1024 || len(e) == 0 || len(e) > 4 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
}

// verify checks the signature alone: the claims are Entra ID's to judge.
func verify(raw string, key *rsa.PublicKey) error {
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation()).Parse(raw, func(*jwt.Token) (any, error) { return key, nil })
	return err
}
