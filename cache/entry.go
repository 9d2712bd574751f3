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
	used       atomic.Int64          // when it landed or was hit last, by the clock of landings

	flight   *flight            // the refresh in flight
	renewals map[string]*flight // by claims: challenges in flight or just answered
	failure  failure
	refusals refusals

	launched uint64 // number of the newest flight
	inFlight int    // flights that have not landed, detached ones included

	// Flights numbered up to these are superseded, and their tokens not stored: refreshes by an answered challenge or by an
	// invalidation, challenges by a newer one that was answered first.
	refreshBarrier, challengeBarrier uint64
	invalidated                      string // the last token that was

	queue        *evictionQueue[K] // nil while anything is in flight
	byEnd, byUse place[K]          // in that queue
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
	c.entries.Store(key, e)
	return e
}

// touch notes a hit. Between two landings only the first hit on an entry writes, so that hits on one key from many cores do
// not fight over a cache line.
func (c *Cache[K]) touch(e *entry[K]) {
	if now := 2*c.landings.Load() + 1; e.used.Load() < now {
		e.used.Store(now)
	}
}

// supersedes tells whether what has happened since f took off makes its token one that must not be cached.
func (e *entry[K]) supersedes(f *flight, t azcore.AccessToken) bool {
	if f.challenge {
		return f.number <= e.challengeBarrier || f.number <= e.refreshBarrier && t.Token == e.invalidated
	}
	return f.number <= e.refreshBarrier
}

// maxLifetime bounds what a fetch may say of its token, so that times in nanoseconds do not overflow.
const maxLifetime = 10 * 365 * 24 * time.Hour

// store makes f's token the entry's, to be refreshed at a jittered instant that azcore is told too, and returns it as cached.
func (c *Cache[K]) store(e *entry[K], f *flight, now time.Time) azcore.AccessToken {
	t := f.token
	if limit := now.Add(maxLifetime); t.ExpiresOn.After(limit) {
		t.ExpiresOn = limit
	}
	t.ExpiresOn = t.ExpiresOn.Round(0).UTC() // the wall clock counts: a laptop or a VM may sleep
	t.RefreshOn = refreshOn(t, now)
	worthWaiting := t.ExpiresOn.Add(-finalWindow)
	if e.token.Swap(&token{t, worthWaiting, min(t.RefreshOn.UnixNano(), worthWaiting.UnixNano())}) == nil {
		c.held++
	}
	if f.challenge { // newer than any refresh that it overlapped
		e.refreshBarrier, e.challengeBarrier = e.launched, f.number
	}
	if f.number > e.failure.by { // not if another was told to wait meanwhile
		e.failure = failure{}
	}
	return t
}

// drop takes the entry's token away, and from the flights in the air the right to bring it back.
func (c *Cache[K]) drop(e *entry[K]) {
	e.invalidated = e.token.Swap(nil).Token
	e.refreshBarrier = e.launched
	e.flight = nil // the next caller need not wait for a result that no longer counts
	c.held--
	c.settle(e)
}

// wake tells stale hits when to start a fetch: not while one is in flight, nor before the key is due after a failure.
func (e *entry[K]) wake() {
	if e.inFlight > 0 {
		e.quietUntil.Store(math.MaxInt64)
		return
	}
	e.quietUntil.Store(e.failure.until)
}

// renewal returns a challenge's flight that has not landed, or nil.
func (e *entry[K]) renewal() *flight {
	for _, f := range e.renewals {
		if f.landedAt.IsZero() {
			return f
		}
	}
	return nil
}
