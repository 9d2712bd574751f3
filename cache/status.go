package cache

import (
	"cmp"
	"time"
)

// Status is what a cache knows of one key. It holds no token.
type Status[K comparable] struct {
	Key         K
	ExpiresOn   time.Time // zero: no token
	RefreshOn   time.Time // zero: no token
	InFlight    bool      // a fetch is under way
	Doing       string    // what that fetch is doing
	LastError   error     // the last failure since the last success; nil if there was none
	FailedAt    time.Time // when that was
	NextAttempt time.Time // not before; zero if nothing holds the next attempt back
}

// Status returns a status per key held, in no particular order.
func (c *Cache[K]) Status() []Status[K] {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Status[K]
	c.entries.Range(func(_, value any) bool {
		all = append(all, value.(*entry[K]).status())
		return true
	})
	return all
}

func (e *entry[K]) status() Status[K] {
	s := Status[K]{Key: e.key, InFlight: e.inFlight > 0, LastError: e.failure.err, FailedAt: e.failure.at}
	if t := e.token.Load(); t != nil {
		s.ExpiresOn, s.RefreshOn = t.ExpiresOn, t.RefreshOn
	}
	if f := cmp.Or(e.flight, e.renewal()); f != nil {
		s.Doing = f.progress.Load().doing
	}
	if e.failure.due.After(time.Now()) {
		s.NextAttempt = e.failure.due
	}
	return s
}
