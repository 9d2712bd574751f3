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
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/internal/redact"
)

// The AADSTS codes of refusals that findings about the issuer can explain.
var (
	ofDocuments = []int{90061, 50166, 501661}
	ofName      = append([]int{70021, 700211, 7002111}, ofDocuments...)
	ofKeys      = []int{700027, 7000272, 7000274, 5002730}
)

// checkIssuer repeats what Entra ID does with the issuer: it fetches the documents and the keys,
// and verifies the signature. The issuer may look different from the internet, so problems are only
// warnings unless they explain a refusal by Entra ID.
func checkIssuer(ctx context.Context, w *walk, l *Link) {
	if end, ok := ctx.Deadline(); ok { // leave time for the exchange: this check is optional
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/3)
		defer cancel()
	}
	t := w.token
	if t == nil {
		l.skip("there is no federated token to read")
		return
	}
	l.see("issuer", t.Issuer)
	l.see("key ID", t.KeyID)
	l.see("algorithm", t.Algorithm)
	if t.Algorithm != "RS256" {
		l.warn("the token is signed with "+t.Algorithm+"; Entra ID accepts only RS256, with an RSA key",
			"give the issuer an RSA key"+inWorld(t, " (kube-apiserver: --service-account-signing-key-file)", "")+" and publish it in its key set")
		return
	}
	keys, ok := w.keysOf(ctx, l)
	if !ok {
		return
	}
	compare := inWorld(t, "compare kubectl get --raw /openid/v1/jwks with the issuer's key set", "compare the issuer's own keys with its key set")
	keys = slices.DeleteFunc(keys, func(k jwk) bool { return k.Kid != t.KeyID })
	usable, unusable := publicKeys(keys)
	if len(keys) > 1 {
		l.warn(fmt.Sprintf("the issuer publishes %d keys with the token's key ID, and Entra ID may use the wrong one", len(keys)),
			"give each key its own ID", ofKeys...)
	}
	switch {
	case len(keys) == 0:
		l.warn("the issuer does not publish the key that signed the token", compare+"; after a key rotation, wait")
	case len(usable) == 0:
		l.warn("the issuer publishes the key that signed the token, but in an unusable form: "+unusable,
			"publish it as RFC 7517 and RFC 7518 require: kty RSA, use sig, alg RS256, n and e in base64url without padding", ofKeys...)
	case !slices.ContainsFunc(usable, func(k *rsa.PublicKey) bool { return verify(w.raw, k) == nil }):
		l.warn("the issuer's key with the token's key ID does not verify the token's signature", "find what changes the token on its way; "+compare)
	case len(l.Findings) == 0:
		l.ok("reachable from here, and its key verifies the signature; only the exchange shows whether Entra ID can reach it")
	}
}

// discovery holds the members of an issuer's document that matter here (OpenID Connect Discovery
// 1.0, section 3).
type discovery struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri"`
}

// keysOf returns the keys that the token's issuer publishes. If it cannot, it adds a warning.
func (w *walk) keysOf(ctx context.Context, l *Link) (keys []jwk, ok bool) {
	issuer := w.token.Issuer
	if err := fetchable(issuer); err != nil {
		l.see("seen from here", fmt.Sprintf("the issuer %q: %v", clip(issuer), err))
		l.warn(notFetched, asPublic)
		return nil, false
	}
	var document discovery
	if !w.document(ctx, l, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &document) {
		return nil, false
	}
	l.see("jwks_uri", clip(document.JWKSURI))
	if document.Issuer != issuer {
		by := ""
		if strings.TrimSuffix(document.Issuer, "/") == strings.TrimSuffix(issuer, "/") {
			by = ": they differ only in the slash at the end, which matters"
		}
		l.warn(fmt.Sprintf("the issuer's document names the issuer %q, but the token's issuer is %q%s", clip(document.Issuer), clip(issuer), by),
			"use exactly the same issuer in the document and in the tokens"+inWorld(w.token, " (kube-apiserver: --service-account-issuer)", "")+
				", and register it", ofName...)
		return nil, false
	}
	if hint.Private(document.JWKSURI) {
		l.warn(fmt.Sprintf("the issuer's document points to keys at %q, which is not a public https URL%s, so Entra ID cannot fetch them", clip(document.JWKSURI),
			inWorld(w.token, " (kube-apiserver's default)", "")),
			inWorld(w.token, "set kube-apiserver's --service-account-jwks-uri to the public URL of the keys, and publish them there", "set jwks_uri to the public URL of the keys"), ofDocuments...)
	}
	if err := fetchable(document.JWKSURI); err != nil {
		l.see("seen from here", fmt.Sprintf("the issuer's jwks_uri %q: %v", clip(document.JWKSURI), err))
		if len(l.Findings) == 0 {
			l.warn("the issuer's keys could not be fetched", asPublic)
		}
		return nil, false
	}
	var set struct{ Keys []jwk }
	if !w.document(ctx, l, document.JWKSURI, &set) {
		return nil, false
	}
	l.see("keys published", fmt.Sprint(len(set.Keys)))
	return set.Keys, true
}

const (
	notFetched = "the issuer's documents could not be fetched from here"
	asPublic   = "check that the issuer's documents are reachable from the public internet"
)

// document fetches one of the issuer's documents. If it cannot, it adds a warning. A wrong reply
// can explain a refusal by Entra ID; a missing one cannot, because the local network may be at
// fault.
func (w *walk) document(ctx context.Context, l *Link, target string, into any) bool {
	answered, err := w.fetchJSON(ctx, target, into)
	switch {
	case err == nil:
		return true
	case answered:
		l.warn(err.Error(), asPublic, ofDocuments...)
	default:
		l.see("seen from here", err.Error())
		l.warn(notFetched, asPublic)
	}
	return false
}

// clip redacts a URL and cuts it to 600 characters, Entra ID's limit for an issuer.
func clip(url string) string { return redact.Clip(redact.Setting(url), 600) }

// fetchJSON fetches a JSON document. answered means that a reply arrived, even if it was wrong.
func (w *walk) fetchJSON(ctx context.Context, target string, into any) (answered bool, err error) {
	reply, err := w.fetch(ctx, target, "")
	if err != nil {
		return false, err
	}
	if err := reply.redirect(target); err != nil {
		return true, err
	}
	switch {
	case reply.status != http.StatusOK:
		return true, fmt.Errorf("%s answered %s", clip(target), reply.statusText())
	case len(reply.body) > maxDocument:
		return true, fmt.Errorf("%s is larger than 1 MiB", clip(target))
	}
	if json.Unmarshal(reply.body, into) != nil { // its error may quote the document
		return true, fmt.Errorf("%s is not the expected JSON document (media type: %s)", clip(target), reply.media())
	}
	return true, nil
}

// jwk is an RSA key (RFC 7518, section 6.3.1).
type jwk struct {
	Kty, Use, Alg, Kid, N, E string
	X5c                      []string

	odd string // why the key could not be read; empty if it could
}

// UnmarshalJSON never fails, so that one malformed key does not invalidate the others (RFC 7517,
// section 5).
func (k *jwk) UnmarshalJSON(data []byte) error {
	type members jwk
	if odd, ok := errors.AsType[*json.UnmarshalTypeError](json.Unmarshal(data, (*members)(k))); ok {
		k.odd = "it is a JSON " + odd.Value
		if odd.Field != "" {
			k.odd = fmt.Sprintf("its %s is a JSON %s", strings.ToLower(odd.Field), odd.Value)
		}
	}
	return nil
}

// publicKeys returns the usable keys, and why the last unusable one cannot be used.
func publicKeys(keys []jwk) (usable []*rsa.PublicKey, unusable string) {
	for _, k := range keys {
		public, why := k.public()
		if public != nil {
			usable = append(usable, public)
		} else {
			unusable = why
		}
	}
	return usable, unusable
}

// public returns the key for RS256, or why it cannot be used. A key so large that verification
// would be slow counts as unusable.
func (k jwk) public() (_ *rsa.PublicKey, unusable string) {
	n, err1 := base64.RawURLEncoding.DecodeString(k.N)
	e, err2 := base64.RawURLEncoding.DecodeString(k.E)
	switch {
	case k.odd != "":
		return nil, k.odd
	case k.Kty != "RSA":
		return nil, fmt.Sprintf("its kty is %q, not RSA", redact.Clip(k.Kty, redact.MaxName))
	case !slices.Contains([]string{"", "sig"}, k.Use):
		return nil, fmt.Sprintf("its use is %q, not sig", redact.Clip(k.Use, redact.MaxName))
	case !slices.Contains([]string{"", "RS256"}, k.Alg):
		return nil, fmt.Sprintf("its alg is %q, not RS256", redact.Clip(k.Alg, redact.MaxName))
	case k.N == "" && k.E == "" && len(k.X5c) > 0:
		return nil, "it has only a certificate (x5c), without n and e"
	case errors.Join(err1, err2) != nil && strings.ContainsAny(k.N+k.E, "+/="):
		return nil, "its n or e is padded or plain base64, not base64url without padding"
	case errors.Join(err1, err2) != nil || len(n) == 0 || len(n) > 1024 || len(e) == 0 || len(e) > 4:
		return nil, "its n and e are not those of an RSA key"
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, ""
}

// verify checks only the signature. Entra ID checks the claims.
func verify(raw string, key *rsa.PublicKey) error {
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation()).Parse(raw, func(*jwt.Token) (any, error) { return key, nil })
	return err
}
