package cache

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

const (
	// DefaultMaxTokens is how many tokens a cache holds when [Options.MaxTokens] is zero.
	DefaultMaxTokens = 131_072

	// DefaultTimeout bounds one fetch when [Options.Timeout] is zero.
	DefaultTimeout = 30 * time.Second

	// sharedAnswer is how long the answer to a challenge is reused for the same challenge. Clients
	// that share a token are challenged at about the same time, but not at the same instant.
	sharedAnswer = 5 * time.Second
)

// FetchFunc gets a new token for key. claims is empty except in a fetch for [Cache.Renew].
//
// ctx descends from [context.Background], ends at the fetch's timeout, and carries the fetch's
// [Flight]. The cache calls the function on its own goroutines. Calls for different keys and for
// challenges run concurrently. For one key without claims, the cache calls it again only after the
// previous fetch has landed or no longer counts. The token's ExpiresOn must be in the future, or
// the fetch counts as failed. RefreshOn may be zero.
//
// The function may itself call Get or Renew of the same cache with ctx, one call at a time. Such a
// call waits on behalf of the fetch's own callers: see [Flight.Pause].
type FetchFunc[K comparable] func(ctx context.Context, key K, claims string) (azcore.AccessToken, error)

// Grouped is implemented by keys that belong to a group, such as all keys of one identity. Group
// returns a comparable value. See [Cache.Forget] and [Cache.StatusOf].
type Grouped interface{ Group() any }

// Options configures a [Cache]. The zero value is ready to use.
type Options struct {
	// MaxTokens bounds the number of tokens. Expired tokens are dropped as fetches land. Above the
	// bound, the least recently used tokens are evicted, but never one with a fetch in flight. The
	// order is approximate if many tokens are in use. The cache also remembers the failures of up
	// to MaxTokens keys without a token. Zero means [DefaultMaxTokens].
	MaxTokens int

	// Timeout bounds one fetch. Zero means [DefaultTimeout].
	Timeout time.Duration

	// Backoff returns how long to leave the key alone after err. failures counts consecutive
	// failures, including this one. Nil means [Backoff].
	Backoff func(err error, failures int) time.Duration

	// RetryAfter returns the pause that the server requested in err, or zero. The cache lengthens
	// the pause by a random part of up to a fifth and caps it at an hour. It takes precedence over
	// Backoff and, unlike Backoff, also delays challenges. Nil means that no pause is requested.
	RetryAfter func(err error) time.Duration

	// OnWait is called with the caller's context and the key when a caller starts to wait for a
	// fetch. result blocks until the wait is over. It returns the [Flight.ID] of the last fetch
	// that the caller waited for, and the caller's error; call it once. Cache hits do not wait.
	// OnWait runs on its own goroutine, so no caller waits for it, and the cache recovers its
	// panics. Nil means that waits are not reported.
	OnWait func(ctx context.Context, key any, result func() (flight string, err error))
}

// Cache holds one token per key. Create one with [New].
type Cache[K comparable] struct {
	fetch   FetchFunc[K]
	options Options
	origin  time.Time // monotonic readings in entries count from here

	entries sync.Map // K to *entry[K]; written under mu

	// mu guards the fields below and every entry's plain fields. It is never held while user code
	// runs, except for a context's methods and a key's Group.
	mu       sync.Mutex
	launches uint64 // flights so far

	// invalidated maps a token to launches at the time it was invalidated. It is kept while a
	// flight or a shared answer could still hold the token.
	invalidated map[string]uint64

	store[K]
}

// New returns an empty cache that gets its tokens from fetch, which must not be nil. options may be
// nil.
func New[K comparable](fetch FetchFunc[K], options *Options) *Cache[K] {
	c := &Cache[K]{fetch: fetch, origin: time.Now()}
	c.invalidated = make(map[string]uint64)
	c.byToken, c.byGroup = make(map[string][]*entry[K]), make(map[any][]*entry[K])
	c.options = *cmp.Or(options, &Options{})
	c.options.MaxTokens = cmp.Or(max(c.options.MaxTokens, 0), DefaultMaxTokens)
	c.options.Timeout = cmp.Or(min(max(c.options.Timeout, 0), maxLifetime), DefaultTimeout)
	if c.options.Backoff == nil {
		c.options.Backoff = func(_ error, failures int) time.Duration { return Backoff(failures) }
	}
	if c.options.RetryAfter == nil {
		c.options.RetryAfter = func(error) time.Duration { return 0 }
	}
	return c
}

// Get returns the token for key: the cached one while it is valid, otherwise the next one that the
// key gets. It waits no longer than ctx allows. The token's RefreshOn says when to ask again: when
// the cache will refresh the token or, if a refresh is overdue, when it will next try.
//
// The error is the fetch's, possibly remembered from an earlier one, or ctx's. The latter says what
// the fetch was doing and how it last failed. [errors.Is] and [errors.As] find all of them.
func (c *Cache[K]) Get(ctx context.Context, key K) (azcore.AccessToken, error) {
	if e := c.load(key); e != nil {
		if t := e.token.Load(); t != nil {
			e.touch()
			now := c.now()
			if t.fresh(now) {
				return t.AccessToken, nil
			}
			if t.usable(now) {
				c.refresh(ctx, e, t, now)
				return e.handOut(t, now), nil
			}
		}
	}
	return c.await(ctx, key)
}

// Cached returns the token for key, if there is one that Get would return without waiting. It never
// starts a fetch, not even one that is due, and never waits.
func (c *Cache[K]) Cached(key K) (_ azcore.AccessToken, ok bool) {
	e := c.load(key)
	if e == nil {
		return azcore.AccessToken{}, false
	}
	t, now := e.token.Load(), c.now()
	if t == nil || !t.usable(now) {
		return azcore.AccessToken{}, false
	}
	e.touch()
	return e.handOut(t, now), true
}

// await handles a Get that has no token, or one in its final seconds. It waits for the key, not for
// a fetch: any change to the key's state wakes it to look again.
func (c *Cache[K]) await(ctx context.Context, key K) (_ azcore.AccessToken, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, w := c.entry(key), c.wait(ctx)
	defer func() { w.end(err) }()
	before, failures := e.token.Load(), e.failures
	for {
		now, t := c.now(), e.token.Load()
		switch {
		case t != nil && (t.usable(now) || t != before && t.valid(now) && !t.refused.Load()):
			return e.handOut(t, now), nil
		case e.failures != failures && e.failure.err != nil: // nil if the failure was forgotten meanwhile
			return e.lastResort(now, e.failure.err)
		case ctx.Err() != nil:
			return azcore.AccessToken{}, e.gaveUp(ctx, e.flight)
		case e.flight == nil:
			if err := e.failure.standing(now); err != nil {
				return e.lastResort(now, err)
			}
			if kept := c.load(key); kept != nil && kept != e { // e has been evicted since
				e, before, failures = kept, kept.token.Load(), kept.failures
				continue
			}
			c.launch(e, &Flight{}, w)
			before, failures = e.token.Load(), e.failures
		}
		w.join(e.flight)
		c.sleep(ctx, w, key, e.change())
	}
}

// Prefetch starts a fetch for key and returns at once. It does nothing if the key has a fresh
// token, a fetch in flight, or a failure whose pause is not over.
func (c *Cache[K]) Prefetch(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.entry(key), c.now()
	if t := e.token.Load(); e.flight == nil && e.failure.standing(now) == nil && (t == nil || !t.fresh(now)) {
		c.launch(e, &Flight{}, nil)
	}
}

// Renew gets a new token for key with the given claims and caches it, whatever the cache holds.
// Callers with the same claims share one fetch, and its answer for another 5 s. A pause that the
// server requested delays it ([Options.RetryAfter]); back-off does not. Errors are as for
// [Cache.Get].
func (c *Cache[K]) Renew(ctx context.Context, key K, claims string) (_ azcore.AccessToken, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.entry(key), c.now()
	f, w := e.answer(claims, now), c.wait(ctx)
	if f == nil || f.token != nil && c.overtaken(f, f.token.Token) {
		if ctx.Err() != nil {
			return azcore.AccessToken{}, e.gaveUp(ctx, nil)
		}
		if err := e.requested.standing(now); err != nil {
			return azcore.AccessToken{}, err
		}
		f = &Flight{challenge: true, claims: claims}
		c.launch(e, f, w)
	}
	w.join(f)
	defer func() { w.end(err) }()
	if !f.landed {
		c.sleep(ctx, w, key, f.done)
	}
	switch {
	case !f.landed:
		return azcore.AccessToken{}, e.gaveUp(ctx, f)
	case f.err != nil:
		return azcore.AccessToken{}, f.err
	}
	return e.handOut(f.token, c.now()), nil
}

// Invalidate drops token wherever it is cached. A newer token for the same key stays. No fetch in
// flight can bring token back.
func (c *Cache[K]) Invalidate(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.byToken[token]) > 0 {
		e := c.byToken[token][0]
		e.drop()
		c.settle(e)
	}
	c.bound(&c.failures, nil)
	at := c.launches
	c.invalidated[token] = at
	time.AfterFunc(c.options.Timeout+grace+sharedAnswer, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.invalidated[token] == at {
			delete(c.invalidated, token)
		}
	})
}

// Refused records that a resource refused token. Wherever it is the cached token, callers wait for
// a new one, as in a token's final seconds, and get the refused one only if that fails. Because a
// resource may refuse every token, a refusal of the replacement counts only after a pause. The
// pause grows as [Backoff] does, and starts over once a minute has passed after it without a
// refusal.
func (c *Cache[K]) Refused(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.byToken[token] {
		e.refuse(c.now())
	}
}

// Challenged records that a resource answered a request, sent at sent, with a claims challenge. The
// token stays, because the client is expected to answer with [Cache.Renew]. If a request sent after
// that is challenged with the same token, and no challenge is being answered, the client cannot
// answer. The token then counts as refused.
func (c *Cache[K]) Challenged(token string, sent time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.byToken[token] {
		e.challenge(int64(sent.Sub(c.origin)), c.now())
	}
}

// Forget drops everything about a group of keys: tokens, failures, and the results of fetches in
// flight.
func (c *Cache[K]) Forget(group any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range slices.Clone(c.byGroup[group]) {
		e.clear()
		c.settle(e)
	}
}

// overtaken reports whether token, which f returned, was invalidated after f started.
func (c *Cache[K]) overtaken(f *Flight, token string) bool {
	at, ok := c.invalidated[token]
	return ok && f.serial <= at
}

// load returns the entry for key, or nil.
func (c *Cache[K]) load(key K) *entry[K] {
	if e, ok := c.entries.Load(key); ok {
		return e.(*entry[K])
	}
	return nil
}

// entry returns the entry for key, or a new one that launch will add to the cache.
func (c *Cache[K]) entry(key K) *entry[K] {
	return cmp.Or(c.load(key), &entry[K]{key: key})
}

// refresh starts a background fetch to replace t, which is stale, if one is due. It does nothing if
// ctx has ended.
func (c *Cache[K]) refresh(ctx context.Context, e *entry[K], t *token, now instant) {
	if !e.quiet.Load().over(now) || ctx.Err() != nil || !c.mu.TryLock() {
		// A busy lock is no reason to wait: this caller has a valid token, and the next one tries
		// again.
		return
	}
	defer c.mu.Unlock()
	if e.token.Load() == t && e.kept && e.quiet.Load().over(now) { // nothing has changed meanwhile
		c.launch(e, &Flight{}, nil)
	}
}
