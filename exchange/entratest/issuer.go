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

// errUnreachable means that an issuer did not reply, or replied with a status other than 200.
var errUnreachable = errors.New("the issuer cannot be reached")

// discoveryClient is the default for Server.HTTPClient.
var discoveryClient = &http.Client{Timeout: 10 * time.Second}

// keySet holds an issuer's RSA keys by kid. RFC 7517 section 4.5 only recommends that each key has
// its own kid.
type keySet map[string][]*rsa.PublicKey

// cachedKeys holds an issuer's keys and when they were fetched.
type cachedKeys struct {
	keySet
	at time.Time
}

// keysOf returns an issuer's keys with the given kid, from the cache or from the issuer. Failures
// are not cached.
func (s *Server) keysOf(ctx context.Context, issuer, kid string, now time.Time) ([]*rsa.PublicKey, error) {
	s.mu.Lock()
	cached := s.keys[issuer]
	do := s.transport(issuer)
	s.mu.Unlock()
	if keys := cached.keySet[kid]; len(keys) > 0 && now.Sub(cached.at) < s.KeyCache {
		return keys, nil
	}
	fetched, err := fetchKeys(ctx, do, issuer)
	if err != nil {
		return nil, err
	}
	if s.KeyCache > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keys == nil {
			s.keys = map[string]cachedKeys{}
		}
		s.keys[issuer] = cachedKeys{fetched, now}
	}
	return fetched[kid], nil
}

// transport sends a request to an issuer.
type transport func(*http.Request) (*http.Response, error)

// transport returns the transport for an issuer. The caller holds the lock.
func (s *Server) transport(issuer string) transport {
	if cluster := s.clusters[issuer]; cluster != nil {
		return cluster.Do
	}
	return cmp.Or(s.HTTPClient, discoveryClient).Do
}

// fetchKeys follows OpenID Connect Discovery 1.0, section 4: the document must name exactly this
// issuer.
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
		return nil, fmt.Errorf("openid-configuration: it names the issuer %q instead of %q", configuration.Issuer, issuer)
	case !strings.HasPrefix(configuration.JWKSURI, "https://"):
		return nil, fmt.Errorf("openid-configuration: jwks_uri %q is not an https URL", configuration.JWKSURI)
	}
	set, err := fetch(ctx, do, configuration.JWKSURI)
	if err != nil {
		return nil, err
	}
	return parseKeys(set)
}

// parseKeys skips keys that it does not understand, as RFC 7517 section 5 recommends, keys that are
// not for RS256, and keys without a kid, which no assertion can name.
func parseKeys(document []byte) (keySet, error) {
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("JWKS: %w", err)
	}
	keys := keySet{}
	for _, member := range set.Keys {
		var key jwk
		if json.Unmarshal(member, &key) != nil {
			continue
		}
		if public := key.public(); public != nil && key.Kid != "" {
			keys[key.Kid] = append(keys[key.Kid], public)
		}
	}
	return keys, nil
}

// public returns the key, or nil if it is not for RS256.
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
