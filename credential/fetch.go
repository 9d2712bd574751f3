package credential

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/cache"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/trace"
)

// fetch is one flight of the cache: it obtains the assertion and exchanges it. It reports the event
// after the cache has stored the outcome, so that a hook can delay or lose only its own event.
func (c *core) fetch(ctx context.Context, k key, claims string) (azcore.AccessToken, error) {
	flight := cache.FlightOf(ctx)
	r := c.request(k)
	r.Claims, r.CorrelationID = claims, flight.ID()
	n := c.names(k)
	rec := &record{events: c.events, event: ExchangeEvent{
		TenantID: n.tenant, ClientID: n.client, Subject: n.subject, Agent: n.agent, FMIPath: n.fmiPath, User: n.user, Grant: n.grant,
		Scopes: n.scopes, EnableCAE: k.cae,
		Challenge: claims != "", Background: flight.Background(), CorrelationID: flight.ID(), Start: time.Now(),
	}}
	flight.OnLanding(func(token azcore.AccessToken, err error) { rec.finished(ctx, token.ExpiresOn, err) })
	return c.exchange(trace.Aside(ctx), k, r, rec, c.budgets.of(k))
}

// exchange presents assertions until Entra ID accepts one or a refusal is final.
func (c *core) exchange(ctx context.Context, k key, r exchange.Request, rec *record, b budget) (azcore.AccessToken, error) {
	var refused *refusedError // the last refusal
	for {
		before := r
		err := c.present(ctx, k, &r, refused)
		switch {
		case err != nil:
			return azcore.AccessToken{}, refused.then(err)
		case refused.stale() && r.Assertion == before.Assertion && r.UserFederatedCredential == before.UserFederatedCredential:
			return azcore.AccessToken{}, refused // there is nothing newer to present
		}
		token, err := c.post(ctx, k, r, rec, refused)
		if err == nil {
			b.reset()
			return token, nil
		}
		refusal, ok := errors.AsType[*exchange.Error](err)
		if !ok || errors.Is(err, context.DeadlineExceeded) {
			return azcore.AccessToken{}, refused.then(err)
		}
		readAgain := refused.stale()
		refused = c.refused(refusal, k, r)
		if refused.stale() && !readAgain {
			continue
		}
		pause := c.pause(refused, rec.attempts(), b)
		if pause <= 0 || !waited(ctx, pause, rec, refused) {
			return azcore.AccessToken{}, refused
		}
	}
}

// present sets the tokens that r presents. It replaces tokens of earlier steps that were refused as
// stale.
func (c *core) present(ctx context.Context, k key, r *exchange.Request, last *refusedError) error {
	p := k.identity.Value()
	if p.user != (userID{}) && r.UserAssertion == "" {
		user := c.users.find(p.user)
		if user == nil {
			return errors.New("the user's token was dropped, because no credential uses it any more")
		}
		r.UserAssertion = user.token
	}
	if p.agent == "" {
		return c.read(ctx, k, r, last)
	}
	if last.stale() {
		c.cache.Invalidate(r.Assertion)
		c.cache.Invalidate(r.UserFederatedCredential)
	}
	var err error
	report(ctx, waitingFor(blueprintStep), last)
	if r.Assertion, err = c.step(ctx, c.stepKey(k, p.blueprint())); err != nil || p.username == "" {
		return err
	}
	report(ctx, waitingFor(accountStep), last)
	r.UserFederatedCredential, err = c.step(ctx, c.stepKey(k, p.account()))
	return err
}

// waitingFor describes a flight that waits for a step.
func waitingFor(step string) string { return "waiting for " + step }

// read sets the federated token in r.
func (c *core) read(ctx context.Context, k key, r *exchange.Request, last *refusedError) (err error) {
	report(ctx, "reading "+c.source.name, last)
	if last.stale() {
		ctx = context.WithValue(ctx, staleKey{}, r.Assertion)
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	start := time.Now()
	r.Assertion, err = c.source.assertion(ctx, k.identity.Value().Identity)
	if err == nil {
		err = ctx.Err() // the source may ignore ctx
	}
	if err = overdue(start, "federated token from "+c.source.name, err); err != nil {
		err = &sourceError{c.source.name, err}
	}
	return err
}

// post sends one request. It has its own timeout, so that an endpoint that hangs does not use up
// the flight's time for retries.
func (c *core) post(ctx context.Context, k key, r exchange.Request, rec *record, last *refusedError) (azcore.AccessToken, error) {
	waiting := "waiting for a reply from " + c.client.Host()
	report(ctx, waiting, last)
	r.OnRefusal = func(refusal *exchange.Error) { report(ctx, waiting, c.refused(refusal, k, r)) }
	rec.sent.Add(1)
	if c.patient.MaxRetries != 0 && cache.FlightOf(ctx).Failures() > 0 {
		ctx = policy.WithRetryOptions(ctx, c.patient)
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	start := time.Now()
	token, err := c.client.Exchange(ctx, r)
	return token, overdue(start, "token from "+c.client.Host(), err)
}

// report records what the flight is doing, and Entra ID's last refusal, for callers that give up.
func report(ctx context.Context, doing string, last *refusedError) {
	var err error
	if last != nil {
		err = last
	}
	cache.FlightOf(ctx).Report(doing, err)
}

// overdue adds to err that the attempt, or each try of it, timed out. Without it, the context error
// would read as if the caller had given up.
func overdue(start time.Time, what string, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &overdueError{what, time.Since(start), err}
}

// waited pauses before another attempt. It returns false if the attempt is pointless: ctx has
// ended, or nobody waits for the token any longer.
func waited(ctx context.Context, pause time.Duration, rec *record, last *refusedError) bool {
	rec.retrying(ctx, last, pause)
	report(ctx, "waiting "+pause.Round(time.Millisecond).String()+" to try again", last)
	return cache.FlightOf(ctx).Pause(ctx, pause)
}

// requested returns the pause that Entra ID asked for, at this step or an earlier one. Only on 429
// and 503 is the header meant for clients.
func requested(err error) time.Duration {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.StatusCode != http.StatusTooManyRequests && e.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	return e.RetryAfter
}

// pauseAsked returns the pause that Entra ID asked for at this step.
func pauseAsked(err error) time.Duration {
	if _, ok := errors.AsType[*Error](err); ok {
		return 0 // Entra ID asked it of an earlier step, whose own key remembers it
	}
	return requested(err)
}
