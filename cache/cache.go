package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

const (
	// DefaultMaxTokens is how many tokens a cache holds when [Options.MaxTokens] is zero.
	DefaultMaxTokens = 131_072

	// DefaultTimeout bounds one fetch when [Options.Timeout] is zero.
	DefaultTimeout = 30 * time.Second

	// finalWindow before its expiry a token may expire on its way to the resource, so a new one is worth a wait.
	finalWindow = 5 * time.Second
)

// FetchFunc gets a new token for key. claims is empty but for [Cache.Renew].
//
// ctx descends from [context.Background] and ends when the fetch's time is up. The function is called from goroutines
// of the cache's own, for different keys concurrently; for one key at most once at a time, but for challenges and for
// fetches that were abandoned or whose token was invalidated meanwhile. ExpiresOn of the token must be in the future,
// or the fetch counts as failed; RefreshOn may be zero.
type FetchFunc[K comparable] func(ctx context.Context, key K, claims string) (azcore.AccessToken, error)

// Options of a [Cache]. The zero value is ready to use.
type Options struct {
	// MaxTokens bounds the tokens held. When there are more, expired ones go first, then the least recently used; never one
	// with a fetch in flight. Recency is counted in fetches. As many keys without a token are held for the memory of
	// their failures. Zero means [DefaultMaxTokens].
	MaxTokens int

	// Timeout bounds one fetch. Zero means [DefaultTimeout].
	Timeout time.Duration

	// Backoff tells how long after err, the failures-th failure in a row (from 1), the key is left alone.
	// Nil means [Backoff].
	Backoff func(err error, failures int) time.Duration

	// RetryAfter tells for how long the other side asked to be left alone in err; zero if it did not. The cache makes that
	// longer by a random part of up to a fifth, and an hour at most. It goes before Backoff and, unlike it, holds challenges
	// back too. Nil means never.
	RetryAfter func(err error) time.Duration
}

// Cache holds one token per key. Make one with [New].
type Cache[K comparable] struct {
	fetch   FetchFunc[K]
	options Options
	origin  time.Time // of the monotonic clock that back-off is measured on

	entries  sync.Map     // K to *entry[K]; written under mu
	landings atomic.Int64 // of flights: the clock that recency is told by; it ticks twice for each, hits are in between

	onWait func(ctx context.Context, key K) func(flight string, err error)

	mu               sync.Mutex // guards what follows and every entry's plain fields; never held over a fetch
	held             int        // tokens
	tokens, failures evictionQueue[K]
}

// New returns an empty cache that gets its tokens from fetch, which must not be nil. Nil options are fine.
func New[K comparable](fetch FetchFunc[K], options *Options) *Cache[K] {
	c := &Cache[K]{fetch: fetch, origin: time.Now()}
	if options != nil {
		c.options = *options
	}
	if c.options.MaxTokens <= 0 {
		c.options.MaxTokens = DefaultMaxTokens
	}
	if c.options.Timeout <= 0 {
		c.options.Timeout = DefaultTimeout
	}
	if c.options.Backoff == nil {
		c.options.Backoff = func(_ error, failures int) time.Duration { return Backoff(failures) }
	}
	if c.options.RetryAfter == nil {
		c.options.RetryAfter = func(error) time.Duration { return 0 }
	}
	return c
}

// Get returns the token for key: the cached one while it is valid, else that of the one fetch in flight, waiting for it no
// longer than ctx lasts. The token's RefreshOn is when the cache itself will refresh it.
//
// Errors are those of the fetch, possibly remembered from an earlier one, or that of ctx; the latter tells what the fetch
// was doing and how it last failed. [errors.Is] and [errors.As] reach all of them.
func (c *Cache[K]) Get(ctx context.Context, key K) (azcore.AccessToken, error) {
	if e := c.load(key); e != nil {
		if t := e.token.Load(); t != nil {
			c.touch(e)
			now := time.Now()
			if now.UnixNano() < t.freshUntil {
				return t.AccessToken, nil
			}
			if now.Before(t.worthWaiting) {
				c.refresh(ctx, e, t, now)
				return t.AccessToken, nil
			}
		}
	}
	return c.await(ctx, key)
}

// await is Get without a token that is good for more than its last seconds.
func (c *Cache[K]) await(ctx context.Context, key K) (azcore.AccessToken, error) {
	for {
		f, err := c.join(ctx, key)
		if err == nil {
			err = c.wait(ctx, key, f)
		}
		if err == nil && !f.superseded {
			return f.token, nil
		}
		if err == nil || f != nil && f.challenge && ctx.Err() == nil {
			continue // overtaken, so that there is a newer answer or soon will be; or a challenge's failure, which is not this key's
		}
		if t := c.lastResort(ctx, key); t != nil {
			return t.AccessToken, nil
		}
		return azcore.AccessToken{}, err
	}
}

// Prefetch starts a fetch for key, and waits for nothing. It does nothing if the key has a valid token, a fetch in flight or
// a failure that is not yet history.
func (c *Cache[K]) Prefetch(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.load(key), time.Now()
	if e == nil {
		e = c.insert(key)
	} else if t := e.token.Load(); e.inFlight > 0 || t != nil && now.Before(t.worthWaiting) || e.failure.standing(c.elapsed(now)) != nil {
		return
	}
	c.launchRefresh(e, true)
}

// join returns the flight to wait for: the one under way, a new one, or one that has landed since the caller looked.
// While the key is left alone after a failure, it returns that failure instead.
func (c *Cache[K]) join(ctx context.Context, key K) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	e := c.load(key)
	if e != nil {
		if t := e.token.Load(); t != nil && now.Before(t.worthWaiting) {
			return landed(t.AccessToken), nil
		}
		if e.flight != nil {
			return e.flight, nil
		}
		if f := e.renewal(); f != nil {
			return f, nil // a challenge's token is the key's next
		}
	}
	if ctx.Err() != nil {
		return nil, newWaitError(ctx, "not started", e.lastFailure())
	}
	if e == nil {
		e = c.insert(key)
	} else if err := e.failure.standing(c.elapsed(now)); err != nil {
		return nil, err
	}
	c.launchRefresh(e, false)
	return e.flight, nil
}

// refresh starts a background fetch in the place of t, which is stale, if one is due. An ended context starts none.
func (c *Cache[K]) refresh(ctx context.Context, e *entry[K], t *token, now time.Time) {
	due := func() bool { return c.elapsed(now) >= e.quietUntil.Load() }
	if !due() || ctx.Err() != nil || !c.mu.TryLock() {
		return // if the lock is busy: a caller with a valid token waits for nothing, and the next one tries again
	}
	defer c.mu.Unlock()
	if e.token.Load() == t && due() { // nothing came between: no fetch, newer token, invalidation or eviction
		c.launchRefresh(e, true)
	}
}

// lastResort returns a token in its last seconds, for a caller that is still there.
func (c *Cache[K]) lastResort(ctx context.Context, key K) *token {
	if e := c.load(key); e != nil && ctx.Err() == nil {
		if t := e.token.Load(); t != nil && time.Now().Before(t.ExpiresOn) {
			return t
		}
	}
	return nil
}

// elapsed is the reading of the monotonic clock that back-off is measured on.
func (c *Cache[K]) elapsed(now time.Time) int64 { return int64(now.Sub(c.origin)) }
