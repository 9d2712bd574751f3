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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Range(func(_, value any) bool {
		e := value.(*entry[K])
		e.forgetRenewals(func(f *flight) bool { return f.token.Token == token })
		if t := e.token.Load(); t != nil && t.Token == token {
			c.idle.remove(e)
			c.drop(e)
			e.refreshBarrier, e.invalidated = e.launched, token
			e.flight = nil // the next caller need not wait for a result that no longer counts
			if e.inFlight == 0 {
				c.idle.add(e)
			}
		}
		return true
	})
}

// forgetRenewals drops the answered challenges that old is true for.
func (e *entry[K]) forgetRenewals(old func(*flight) bool) {
	for claims, f := range e.renewals {
		if !f.landedAt.IsZero() && old(f) {
			delete(e.renewals, claims)
		}
	}
}
