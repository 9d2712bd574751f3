package cache

import (
	"container/heap"
	"time"
)

// evictionQueues hold the entries with nothing in flight: those with a token, and those that are only the memory of a failure.
// Each bounds its own, so that failing keys cost no valid token, and are not forgotten for one either.
type evictionQueues[K comparable] struct {
	tokens, failures evictionQueue[K]
}

func (q *evictionQueues[K]) of(e *entry[K]) *evictionQueue[K] {
	if e.token.Load() != nil {
		return &q.tokens
	}
	return &q.failures
}

func (q *evictionQueues[K]) add(e *entry[K])    { q.of(e).add(e) }
func (q *evictionQueues[K]) remove(e *entry[K]) { q.of(e).remove(e) }

// evictionQueue ranks entries by the end of their use and by the last use, so that an eviction costs O(log n).
type evictionQueue[K comparable] struct {
	byEnd, byUse ranking[K]
}

// rank is an entry's place in one ranking; the zero value is none.
type rank struct {
	score int64
	place int // from 1
}

func (q *evictionQueue[K]) rankings() [2]*ranking[K] {
	q.byUse.which = 1
	return [2]*ranking[K]{&q.byEnd, &q.byUse}
}

// add puts e in, which must not be in.
func (q *evictionQueue[K]) add(e *entry[K]) {
	e.ranks = [2]rank{{score: e.end()}, {score: e.used.Load()}}
	for _, r := range q.rankings() {
		heap.Push(r, e)
	}
}

// remove takes e out if it is in.
func (q *evictionQueue[K]) remove(e *entry[K]) {
	for i, r := range q.rankings() {
		if place := e.ranks[i].place; place > 0 {
			heap.Remove(r, place-1)
		}
	}
}

// next returns the entry to evict, or nil: one past its end, else the least recently used.
func (q *evictionQueue[K]) next(now time.Time) *entry[K] {
	if len(q.byEnd.entries) == 0 {
		return nil
	}
	if e := q.byEnd.entries[0]; e.ranks[0].score <= now.UnixNano() {
		return e
	}
	// Hits do not move entries, so a score may be out of date, always too low: the first one that is not is the lowest.
	for {
		e := q.byUse.entries[0]
		used := e.used.Load()
		if e.ranks[1].score == used {
			return e
		}
		e.ranks[1].score = used
		heap.Fix(&q.byUse, 0)
	}
}

// end is when the entry is of no more use, in Unix nanoseconds: its token expires or, without one, its failure is history.
func (e *entry[K]) end() int64 {
	if t := e.token.Load(); t != nil {
		return t.ExpiresOn.UnixNano()
	}
	return e.failure.due.UnixNano()
}

// trim evicts entries until the bound holds. Those with a fetch in flight are not evicted, but their tokens count, so the
// bound may be exceeded until they land.
func (c *Cache[K]) trim(now time.Time) {
	for c.held > c.options.MaxTokens {
		e := c.idle.tokens.next(now)
		if e == nil {
			break
		}
		c.idle.remove(e)
		c.drop(e)
		c.entries.Delete(e.key)
	}
	for len(c.idle.failures.byEnd.entries) > c.options.MaxTokens {
		e := c.idle.failures.next(now)
		c.idle.remove(e)
		c.entries.Delete(e.key)
	}
}

// ranking is a heap of entries by one of their scores, lowest first; it implements [heap.Interface].
type ranking[K comparable] struct {
	which   int // of an entry's ranks
	entries []*entry[K]
}

func (r *ranking[K]) Len() int { return len(r.entries) }

func (r *ranking[K]) Less(i, j int) bool {
	return r.entries[i].ranks[r.which].score < r.entries[j].ranks[r.which].score
}

func (r *ranking[K]) Swap(i, j int) {
	r.entries[i], r.entries[j] = r.entries[j], r.entries[i]
	r.entries[i].ranks[r.which].place, r.entries[j].ranks[r.which].place = i+1, j+1
}

// Push implements [heap.Interface].
func (r *ranking[K]) Push(x any) {
	e := x.(*entry[K])
	r.entries = append(r.entries, e)
	e.ranks[r.which].place = len(r.entries)
}

// Pop implements [heap.Interface].
func (r *ranking[K]) Pop() any {
	last := len(r.entries) - 1
	e := r.entries[last]
	r.entries[last] = nil
	r.entries = r.entries[:last]
	e.ranks[r.which].place = 0
	return e
}
