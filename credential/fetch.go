package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/cache"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/tokenfile"
)

// source is where the federated token comes from.
type source struct {
	name      string // for messages
	assertion func(context.Context) (string, error)
}

func fileSource(file *tokenfile.Source) source {
	return source{name: "the token file " + file.String(), assertion: file.Assertion}
}

// read returns the federated token as it is now.
func (s source) read(ctx context.Context) (string, error) {
	assertion, err := s.assertion(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.name, err)
	}
	if assertion = strings.TrimSpace(assertion); assertion == "" {
		return "", fmt.Errorf("%s returned an empty token", s.name)
	}
	return assertion, nil
}

// fetch is one flight of the cache: read the federated token, exchange it.
func (c *Credential) fetch(ctx context.Context, k key, claims string) (azcore.AccessToken, error) {
	cache.Report(ctx, "reading "+c.source.name, nil)
	assertion, err := c.source.read(ctx)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	cache.Report(ctx, "waiting for a reply from "+c.client.Host(), nil)
	token, err := c.client.Exchange(ctx, exchange.Request{
		TenantID:  c.tenants.spelling(k.tenant),
		ClientID:  c.clientID,
		Scopes:    []string{k.scopes},
		Assertion: assertion,
		Claims:    claims,
		EnableCAE: k.cae,
	})
	if err != nil {
		return azcore.AccessToken{}, presented(err, assertion)
	}
	return token, nil
}

// retryAfter returns the pause that Entra ID asked for: on 429 and 503 only, where the header is for clients.
func retryAfter(err error) time.Duration {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.StatusCode != http.StatusTooManyRequests && e.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	return e.RetryAfter
}
