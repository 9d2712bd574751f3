package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/entrafed/entrafed/tokenfile"
)

// checkIssuer looks up the key that signed the token, where Entra ID does, and returns how long that took.
func (l *loopback) checkIssuer(ctx context.Context, token tokenfile.Token) (time.Duration, error) {
	start := time.Now()
	var discovery struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := l.fetch(ctx, token.Issuer+"/.well-known/openid-configuration", &discovery); err != nil {
		return 0, err
	}
	var published struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := l.fetch(ctx, discovery.JWKS, &published); err != nil {
		return 0, err
	}
	for _, key := range published.Keys {
		if key.ID == token.KeyID {
			return time.Since(start), nil
		}
	}
	return 0, fmt.Errorf("%s does not publish the key that signed the token", token.Issuer)
}

// fetch reads one of the documents that an issuer publishes.
func (l *loopback) fetch(ctx context.Context, url string, document any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(document)
}
