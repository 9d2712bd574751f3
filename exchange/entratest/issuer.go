package entratest

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// errUnreachable: an issuer gave no answer, or none with status 200.
var errUnreachable = errors.New("the issuer cannot be reached")

// discoveryClient is what an HTTPClient of nil means.
var discoveryClient = &http.Client{Timeout: 10 * time.Second}

// keySet holds an issuer's RSA keys by kid.
type keySet map[string]*rsa.PublicKey

// keptKeys are the keys of an issuer, and when they were fetched.
type keptKeys struct {
	keySet
	at time.Time
}

// keysOf returns an issuer's keys. A failure is not remembered: the next assertion asks again.
func (s *Server) keysOf(ctx context.Context, issuer string, now time.Time) (keySet, error) {
	s.mu.Lock()
	kept, ok := s.keys[issuer]
	do := s.transport(issuer)
	s.mu.Unlock()
	if ok && now.Sub(kept.at) < s.KeyCache {
		return kept.keySet, nil
	}
	fetched, err := fetchKeys(ctx, do, issuer)
	if err != nil {
		return nil, err
	}
	if s.KeyCache > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keys == nil {
			s.keys = map[string]keptKeys{}
		}
		s.keys[issuer] = keptKeys{fetched, now}
	}
	return fetched, nil
}

// transport is how an issuer is asked.
type transport func(*http.Request) (*http.Response, error)

// transport chooses one. The caller holds the lock.
func (s *Server) transport(issuer string) transport {
	if cluster := s.clusters[issuer]; cluster != nil {
		return cluster.Do
	}
	return cmp.Or(s.HTTPClient, discoveryClient).Do
}

// fetchKeys follows OpenID Connect Discovery 1.0, section 4: the document is for an issuer only if it names it, letter by letter.
func fetchKeys(ctx context.Context, do transport, issuer string) (keySet, error) {
	document, err := fetch(ctx, do, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var configuration clusterConfiguration
	switch err := json.Unmarshal(document, &configuration); {
	case err != nil:
		return nil, fmt.Errorf("openid-configuration: %w", err)
	case configuration.Issuer != issuer:
		return nil, fmt.Errorf("openid-configuration: it is of the issuer %q, not of %q", configuration.Issuer, issuer)
	case !strings.HasPrefix(configuration.JWKSURI, "https://"):
		return nil, fmt.Errorf("openid-configuration: jwks_uri %q is not an https URL", configuration.JWKSURI)
	}
	set, err := fetch(ctx, do, configuration.JWKSURI)
	if err != nil {
		return nil, err
	}
	return parseKeys(set)
}

// parseKeys passes over the keys that cannot have signed with RS256, as RFC 7517 section 5 asks for, and over those without
// a kid, which no assertion can name.
func parseKeys(document []byte) (keySet, error) {
	var set jwkSet
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("JWKS: %w", err)
	}
	keys := keySet{}
	for _, key := range set.Keys {
		if public := key.public(); public != nil && key.Kid != "" {
			keys[key.Kid] = public
		}
	}
	return keys, nil
}

// public returns nil for a key that is not for RS256.
func (k jwk) public() *rsa.PublicKey {
	if k.Kty != "RSA" || k.Use != "" && k.Use != "sig" || k.Alg != "" && k.Alg != "RS256" {
		return nil
	}
	n, err1 := base64.RawURLEncoding.DecodeString(k.N)
	e, err2 := base64.RawURLEncoding.DecodeString(k.E)
	if err1 != nil || err2 != nil || len(n) == 0 || len(e) == 0 || len(e) > 4 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
}

func fetch(ctx context.Context, do transport, target string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	reply, err := do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s: %s", errUnreachable, target, reply.Status)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, reply.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errUnreachable, target, err)
	}
	return body, nil
}
