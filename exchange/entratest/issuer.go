package entratest

import (
	"bytes"
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
	get := s.getter(issuer)
	s.mu.Unlock()
	if ok && now.Sub(kept.at) < s.KeyCache {
		return kept.keySet, nil
	}
	fetched, err := fetchKeys(ctx, get, issuer)
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

// getter fetches a document.
type getter func(ctx context.Context, target string) ([]byte, error)

// getter chooses how an issuer is asked. The caller holds the lock.
func (s *Server) getter(issuer string) getter {
	if cluster := s.clusters[issuer]; cluster != nil {
		return cluster.get
	}
	client := s.HTTPClient
	if client == nil {
		client = discoveryClient
	}
	return func(ctx context.Context, target string) ([]byte, error) { return getOver(ctx, client, target) }
}

// fetchKeys follows OpenID Connect Discovery 1.0, section 4: the document is for an issuer only if it names it, letter by letter.
func fetchKeys(ctx context.Context, get getter, issuer string) (keySet, error) {
	document, err := get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
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
	set, err := get(ctx, configuration.JWKSURI)
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

// getOver fetches over HTTP.
func getOver(ctx context.Context, client *http.Client, target string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	reply, err := client.Do(r)
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

// get asks the cluster's own handler.
func (c *Cluster) get(ctx context.Context, target string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	w := c.serve(r)
	if w.status != http.StatusOK {
		return nil, fmt.Errorf("%w: %s: %d %s", errUnreachable, target, w.status, http.StatusText(w.status))
	}
	return w.body.Bytes(), nil
}

// serve keeps the handler's reply.
func (c *Cluster) serve(r *http.Request) *memoryWriter {
	w := &memoryWriter{header: http.Header{}, status: http.StatusOK}
	c.ServeHTTP(w, r)
	return w
}

// memoryWriter keeps a reply. That of net/http/httptest would do, but importing it adds a flag to the program's command line.
type memoryWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *memoryWriter) Header() http.Header         { return w.header }
func (w *memoryWriter) WriteHeader(status int)      { w.status = status }
func (w *memoryWriter) Write(p []byte) (int, error) { return w.body.Write(p) }
