package cache

import (
	"slices"
	"time"
)

// Status describes one key. It holds no token.
type Status[K comparable] struct {
	Key         K
	ExpiresOn   time.Time // zero if there is no token
	RefreshOn   time.Time // zero if there is no token
	InFlight    bool      // a fetch is in flight
	Doing       string    // what that fetch is doing
	LastError   error     // the last failure since the last success; nil if there was none
	FailedAt    time.Time // when LastError happened
	NextAttempt time.Time // zero if nothing delays the next attempt
}

// Status returns the status of every key, in no particular order. It takes the lock for one key at
// a time, so the statuses are of slightly different instants.
func (c *Cache[K]) Status() []Status[K] {
	var all []Status[K]
	c.entries.Range(func(_, value any) bool {
		all = append(all, c.status(value.(*entry[K])))
		return true
	})
	return all
}

// StatusOf is like [Cache.Status], for the keys of one group.
func (c *Cache[K]) StatusOf(group any) []Status[K] {
	var all []Status[K]
	for _, e := range c.members(group) {
		all = append(all, c.status(e))
	}
	return all
}

// members returns the entries of a group.
func (c *Cache[K]) members(group any) []*entry[K] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.byGroup[group])
}

func (c *Cache[K]) status(e *entry[K]) Status[K] {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status[K]{Key: e.key, InFlight: e.flights > 0, LastError: e.failure.err, FailedAt: e.failure.at}
	if t := e.token.Load(); t != nil {
		s.ExpiresOn, s.RefreshOn = t.ExpiresOn, t.RefreshOn
	}
	for _, f := range e.challenges {
		if !f.landed {
			s.Doing = f.progress.Load().doing
		}
	}
	if e.flight != nil {
		s.Doing = e.flight.progress.Load().doing
	}
	if e.failure.standing(c.now()) != nil {
		s.NextAttempt = e.failure.pause.end()
	}
	return s
}
