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
)

// fetch is one flight of the cache: read the federated token, exchange it, tell what became of it.
func (c *Credential) fetch(ctx context.Context, k key, claims string) (azcore.AccessToken, error) {
	flight := cache.FlightOf(ctx)
	event := ExchangeEvent{
		TenantID: k.tenant.Value(), ClientID: c.clientID, Scopes: strings.Split(k.scopes, " "), EnableCAE: k.cae,
		Challenge: claims != "", Background: flight.Background, CorrelationID: flight.ID, Start: time.Now(),
	}
	event.Err = errPanicked // unless exchange returns
	defer func() {
		event.Duration = time.Since(event.Start)
		c.events.finished(ctx, event)
	}()
	token, err := c.exchange(ctx, exchange.Request{
		TenantID:      c.tenants.spelling(k.tenant),
		ClientID:      c.clientID,
		Scopes:        event.Scopes,
		Claims:        claims,
		EnableCAE:     k.cae,
		CorrelationID: flight.ID,
	}, &event, c.outages.of(k))
	event.ExpiresOn, event.Err = token.ExpiresOn, err
	return token, err
}

// errPanicked is what events tell of an exchange that did not return; its callers get the cache's error, which says where.
var errPanicked = errors.New("the source of the federated token, the transport or a policy panicked")

// exchange reads the federated token and exchanges it, again where Entra ID's answer may be another by then.
func (c *Credential) exchange(ctx context.Context, r exchange.Request, event *ExchangeEvent, outage outage) (azcore.AccessToken, error) {
	var refusal error // the last one
	reread := false
	for {
		cache.Report(ctx, "reading "+c.source.name, refusal)
		assertion, err := c.source.assertion(ctx)
		if err != nil {
			return azcore.AccessToken{}, after(refusal, err)
		}
		if reread && assertion == r.Assertion {
			return azcore.AccessToken{}, refusal // which holds, then
		}
		r.Assertion = assertion
		cache.Report(ctx, "waiting for a reply from "+c.client.Host(), refusal)
		event.Attempts++
		token, err := c.client.Exchange(ctx, r)
		if err == nil {
			outage.over()
			return token, nil
		}
		if ctx.Err() != nil {
			return azcore.AccessToken{}, after(refusal, err)
		}
		refusal = c.refused(err, r)
		if !reread && stale(err) {
			reread = true
			continue
		}
		pause := c.pause(err, assertion, event.Attempts, outage)
		if pause <= 0 {
			return azcore.AccessToken{}, refusal
		}
		reread = false
		c.events.retrying(ctx, *event, refusal, pause)
		cache.Report(ctx, "waiting "+pause.Round(time.Millisecond).String()+" to try again", refusal)
		if !sleep(ctx, pause) {
			return azcore.AccessToken{}, refusal
		}
	}
}

// after adds to an error what Entra ID said before, if it did: that is the better hint.
func after(refusal, err error) error {
	if refusal == nil {
		return err
	}
	return fmt.Errorf("%w; then: %w", refusal, err)
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryAfter returns the pause that Entra ID asked for: on 429 and 503 only, where the header is for clients.
func retryAfter(err error) time.Duration {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.StatusCode != http.StatusTooManyRequests && e.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	return e.RetryAfter
}
