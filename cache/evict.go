package cache

import (
	"container/heap"
	"time"
)

// settle puts e where it belongs after a flight took off or landed, or its token came or went: in the queue of tokens, in
// that of failures, or in none while anything is in flight. The two are bounded each by itself, so that failing keys cost
// no valid token, and are not forgotten for one either.
func (c *Cache[K]) settle(e *entry[K]) {
	e.leaveQueue()
	switch {
	case e.inFlight > 0:
	case e.token.Load() != nil:
		c.tokens.add(e)
	default:
		c.failures.add(e)
	}
}

// trim evicts entries until the bounds hold. Tokens with a fetch in flight are not evicted, but they count, so their bound
// may be exceeded until they land.
func (c *Cache[K]) trim(now time.Time) {
	for c.held > c.options.MaxTokens && c.tokens.len() > 0 {
		c.evict(c.tokens.first(now))
	}
	for c.failures.len() > c.options.MaxTokens {
		c.evict(c.failures.first(now))
	}
}

func (c *Cache[K]) evict(e *entry[K]) {
	e.leaveQueue()
	c.entries.Delete(e.key)
	if e.token.Swap(nil) != nil { // also for a stale hit that is about to refresh it
		c.held--
	}
}

// evictionQueue ranks entries by the end of their use and by their last use, so that an eviction costs O(log n).
type evictionQueue[K comparable] struct {
	byEnd, byUse ranking[K]
}

// place is an entry's place in one ranking.
type place[K comparable] struct {
	entry *entry[K]
	score int64
	index int
}

func (q *evictionQueue[K]) len() int { return len(q.byEnd) }

// add puts e in, which must be in no queue.
func (q *evictionQueue[K]) add(e *entry[K]) {
	e.queue = q
	e.byEnd, e.byUse = place[K]{entry: e, score: e.end()}, place[K]{entry: e, score: e.used.Load()}
	heap.Push(&q.byEnd, &e.byEnd)
	heap.Push(&q.byUse, &e.byUse)
}

// leaveQueue takes e out of the queue that it is in, if any.
func (e *entry[K]) leaveQueue() {
	if q := e.queue; q != nil {
		heap.Remove(&q.byEnd, e.byEnd.index)
		heap.Remove(&q.byUse, e.byUse.index)
		e.queue = nil
	}
}

// end is when the entry is of no more use, in Unix nanoseconds: its token expires or, without one, its failure is history.
func (e *entry[K]) end() int64 {
	if t := e.token.Load(); t != nil {
		return t.ExpiresOn.UnixNano()
	}
	return e.failure.due.UnixNano()
}

// first returns the entry to evict first from a queue that is not empty: one past its end, else the least recently used.
func (q *evictionQueue[K]) first(now time.Time) *entry[K] {
	if p := q.byEnd[0]; p.score <= now.UnixNano() {
		return p.entry
	}
	// Hits do not move entries, so a score may be out of date, always too low: the first one that is not is the lowest.
	for {
		p := q.byUse[0]
		used := p.entry.used.Load()
		if p.score == used {
			return p.entry
		}
		p.score = used
		heap.Fix(&q.byUse, 0)
	}
}

// ranking is a heap of places, the lowest score first; it implements [heap.Interface].
type ranking[K comparable] []*place[K]

func (r ranking[K]) Len() int           { return len(r) }
func (r ranking[K]) Less(i, j int) bool { return r[i].score < r[j].score }

func (r ranking[K]) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].index, r[j].index = i, j
}

// Push implements [heap.Interface].
func (r *ranking[K]) Push(x any) {
	p := x.(*place[K])
	p.index = len(*r)
	*r = append(*r, p)
}

// Pop implements [heap.Interface].
func (r *ranking[K]) Pop() any {
	last := len(*r) - 1
	p := (*r)[last]
	(*r)[last] = nil // or the array would keep the entry, and its token, alive
	*r = (*r)[:last]
	return p
}
