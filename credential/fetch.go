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
	tenant, scopes := c.shown(k)
	told := &story{events: c.events, event: ExchangeEvent{
		TenantID: tenant, ClientID: clean(c.clientID), Scopes: scopes, EnableCAE: k.cae,
		Challenge: claims != "", Background: flight.Background, CorrelationID: flight.ID, Start: time.Now(),
	}}
	cache.OnAbandon(ctx, func(err error) { told.finished(ctx, time.Time{}, err) })
	token, err := azcore.AccessToken{}, errPanicked // unless exchange returns
	defer func() { told.finished(ctx, token.ExpiresOn, err) }()
	token, err = c.exchange(ctx, exchange.Request{
		TenantID:      c.tenants.spelling(k.tenant),
		ClientID:      c.clientID,
		Scopes:        strings.Split(k.scopes, " "),
		Claims:        claims,
		EnableCAE:     k.cae,
		CorrelationID: flight.ID,
	}, told, c.outages.of(k))
	return token, err
}

// errPanicked is what events tell of an exchange that did not return; its callers get the cache's error, which says where.
var errPanicked = errors.New("the source of the federated token, the transport or a policy panicked")

// exchange exchanges the federated token, again where Entra ID's answer may be another by then.
func (c *Credential) exchange(ctx context.Context, r exchange.Request, told *story, outage outage) (azcore.AccessToken, error) {
	var refusal error // the last one
	for {
		token, refused, err := c.attempt(ctx, &r, told, refusal)
		if err != nil {
			return azcore.AccessToken{}, err
		}
		if refused == nil {
			outage.over()
			return token, nil
		}
		refusal = refused
		pause := c.pause(refusal, r.Assertion, int(told.attempts.Load()), outage)
		if pause <= 0 {
			return azcore.AccessToken{}, refusal
		}
		told.retrying(ctx, refusal, pause)
		cache.Report(ctx, "waiting "+pause.Round(time.Millisecond).String()+" to try again", refusal)
		if !slept(ctx, pause) {
			return azcore.AccessToken{}, refusal
		}
	}
}

// attempt exchanges the federated token; once more, at once, if it was refused as stale and has been replaced since. It returns
// what Entra ID said, or err if nothing was said that another attempt could change. Its time is its own: that of the flight is
// longer by what retries may take, which is not for an endpoint that hangs. last is the refusal before.
func (c *Credential) attempt(ctx context.Context, r *exchange.Request, told *story, last error) (token azcore.AccessToken, refused, err error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	for again := false; ; again = true {
		cache.Report(ctx, "reading "+c.source.name, last)
		assertion, err := c.source.assertion(ctx)
		if err == nil {
			err = ctx.Err() // of a source that ignores it
		}
		if err != nil {
			return azcore.AccessToken{}, nil, after(last, overdue(ctx, start, "federated token from "+c.source.name, err))
		}
		if again && assertion == r.Assertion {
			return azcore.AccessToken{}, last, nil // which holds, then
		}
		r.Assertion = assertion
		cache.Report(ctx, "waiting for a reply from "+c.client.Host(), last)
		told.attempts.Add(1)
		token, err := c.client.Exchange(ctx, *r)
		if err == nil {
			return token, nil, nil
		}
		refusal, ok := errors.AsType[*exchange.Error](err)
		if !ok || ctx.Err() != nil {
			return azcore.AccessToken{}, nil, after(last, overdue(ctx, start, "token from "+c.client.Host(), err))
		}
		last = c.refused(err, refusal, *r)
		if again || !stale(err) {
			return azcore.AccessToken{}, last, nil
		}
	}
}

// overdue says of an error for which the attempt that started then ran out of time that it did, because the error reads as if the
// caller had.
func overdue(ctx context.Context, start time.Time, what string, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("no %s within %s: %w", what, time.Since(start).Round(100*time.Millisecond), err)
}

// after adds to an error what Entra ID said before, if it did: that is the better hint.
func after(refusal, err error) error {
	if refusal == nil {
		return err
	}
	return fmt.Errorf("%w; then: %w", refusal, err)
}

// slept returns false if ctx ended first.
func slept(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pauseAsked returns the pause that Entra ID asked for: on 429 and 503 only, where the header is for clients.
func pauseAsked(err error) time.Duration {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.StatusCode != http.StatusTooManyRequests && e.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	return e.RetryAfter
}
