package cache

import (
	"context"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// sameChallenge is for how long the same challenge for a key gets the same answer: the clients of one process that share
// a token are challenged together, but not at one instant.
const sameChallenge = 5 * time.Second

// Renew gets a new token for key with the given claims and makes it the cached one, whatever the cache holds. Callers with
// the same claims share one fetch, and its answer for five seconds more. A pause that the other side asked for holds it
// back ([Options.RetryAfter]), back-off does not. Errors are as for [Cache.Get].
func (c *Cache[K]) Renew(ctx context.Context, key K, claims string) (azcore.AccessToken, error) {
	f, err := c.joinRenewal(ctx, key, claims)
	if err == nil {
		err = c.wait(ctx, key, f)
	}
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return f.token, nil
}

// joinRenewal is join for a challenge: the flight that answers it or has just answered it, or a new one.
func (c *Cache[K]) joinRenewal(ctx context.Context, key K, claims string) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	e := c.load(key)
	if e != nil {
		e.forgetRenewals(func(f *flight) bool {
			return now.Sub(f.landedAt) >= sameChallenge || f.err == nil && !now.Before(f.token.ExpiresOn)
		})
		if f := e.renewals[claims]; f != nil {
			return f, nil
		}
	}
	if ctx.Err() != nil {
		return nil, newWaitError(ctx, "not started", e.lastFailure())
	}
	if e == nil {
		e = c.insert(key)
	} else if err := e.failure.standing(c.elapsed(now)); err != nil && e.failure.ordered {
		return nil, err
	}
	if e.renewals == nil {
		e.renewals = make(map[string]*flight)
	}
	f := c.launch(e, claims, true, false)
	e.renewals[claims] = f
	return f, nil
}

// Invalidate drops token wherever it is still the cached one; a newer token for the same key stays. A refresh that was under
// way cannot bring it back. It looks at every key.
func (c *Cache[K]) Invalidate(token string) {
	c.invalidate(token, func(*entry[K]) bool { return true })
}

// Refused is Invalidate for a token that a resource refused, which may refuse every token: what was fetched in the place of a
// refused token is dropped only after a pause, and cached until then. The pause grows as [Backoff] does, and is a first one again
// once a minute has passed after it without a refusal.
func (c *Cache[K]) Refused(token string) {
	now := c.elapsed(time.Now())
	c.invalidate(token, func(e *entry[K]) bool { return e.refusals.next(now) })
}

// invalidate drops token from the keys that it is cached for, where may allows it.
func (c *Cache[K]) invalidate(token string, may func(*entry[K]) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Range(func(_, value any) bool {
		e := value.(*entry[K])
		t := e.token.Load()
		cached := t != nil && t.Token == token
		if cached && !may(e) {
			return true
		}
		e.forgetRenewals(func(f *flight) bool { return f.token.Token == token })
		if cached {
			c.drop(e)
		}
		return true
	})
}

// refusals are those of one key's tokens, by resources.
type refusals struct {
	count int   // in a row
	until int64 // no other counts before; monotonic
}

// next tells whether a refusal now counts as another one.
func (r *refusals) next(now int64) bool {
	if now < r.until {
		return false
	}
	if now >= r.until+int64(maxBackoff) {
		r.count = 0
	}
	r.count++
	r.until = now + int64(Backoff(r.count))
	return true
}

// forgetRenewals drops the answered challenges that old is true for.
func (e *entry[K]) forgetRenewals(old func(*flight) bool) {
	for claims, f := range e.renewals {
		if !f.landedAt.IsZero() && old(f) {
			delete(e.renewals, claims)
		}
	}
}
