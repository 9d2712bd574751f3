package cache

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// token is what an entry holds and never changes.
type token struct {
	azcore.AccessToken           // RefreshOn is always set, and jittered
	worthWaiting       time.Time // from here to ExpiresOn, its last seconds, a new one is worth waiting for
	freshUntil         int64     // the earlier of RefreshOn and worthWaiting in Unix nanoseconds: all that a hit compares
}

// entry is what is known of one key. The atomics are read without a lock; everything else belongs to the cache's mutex.
type entry[K comparable] struct {
	key        K
	token      atomic.Pointer[token] // nil: none
	quietUntil atomic.Int64          // no background fetch before; monotonic
	used       atomic.Uint64         // twice the number of insertions before the last use, plus one

	flight   *flight            // the refresh in flight
	renewals map[string]*flight // by claims: challenges in flight or just answered
	failure  failure

	launched uint64 // number of the newest flight
	barrier  uint64 // flights numbered up to this one are superseded: their tokens are not stored
	inFlight int    // flights that have not landed, detached ones included

	ranks [2]rank // places in the eviction queue while nothing is in flight
}

// load returns the entry of key, or nil.
func (c *Cache[K]) load(key K) *entry[K] {
	if e, ok := c.entries.Load(key); ok {
		return e.(*entry[K])
	}
	return nil
}

// insert makes an entry for key; the caller launches a flight for it before it unlocks.
func (c *Cache[K]) insert(key K) *entry[K] {
	e := &entry[K]{key: key}
	e.used.Store(2 * c.insertions.Add(1))
	c.entries.Store(key, e)
	c.count++
	return e
}

// touch notes a use. Between two insertions only the first use of an entry writes, so that hits on one key from many
// cores do not fight over a cache line.
func (c *Cache[K]) touch(e *entry[K]) {
	if now := 2*c.insertions.Load() + 1; e.used.Load() < now {
		e.used.Store(now)
	}
}

// store makes t the entry's token, refreshed at a jittered instant that azcore is told too.
func (e *entry[K]) store(t azcore.AccessToken, now time.Time) {
	t.RefreshOn = refreshOn(t, now)
	worthWaiting := t.ExpiresOn.Add(-finalWindow)
	e.token.Store(&token{t, worthWaiting, min(t.RefreshOn.UnixNano(), worthWaiting.UnixNano())})
	e.failure = failure{}
}

// wake tells stale hits when to start a fetch: not while one is in flight, nor before the key is due after a failure.
func (e *entry[K]) wake() {
	if e.flight != nil {
		e.quietUntil.Store(math.MaxInt64)
		return
	}
	e.quietUntil.Store(e.failure.until)
}
