package cache

import (
	"container/heap"
	"container/list"
)

const (
	// dropsPerLanding is how many expired tokens are dropped when a fetch lands. A landing adds at
	// most one, so memory follows the number of valid tokens.
	dropsPerLanding = 2

	// maxLooks bounds how many entries an eviction looks at before it takes one that is in use.
	maxLooks = 16
)

// store finds entries by token, and orders them for eviction. Tokens and failures have separate
// bounds, so that failing keys cannot push out valid tokens, nor the reverse.
type store[K comparable] struct {
	byToken          map[string][]*entry[K]
	byGroup          map[any][]*entry[K]
	byExpiry         expiries[K]
	tokens, failures list.List // of *entry[K], least recently used first
}

// place is an entry's position in the store.
type place[K comparable] struct {
	group   any    // nil if the key has none
	member  int    // index in byGroup's list
	token   *token // key in byToken; nil if none
	twin    int    // index in byToken's list
	expiry  int    // index in byExpiry
	list    *list.List
	element *list.Element
}

// settle moves e to where it belongs after a change, as the most recently used: to the tokens, to
// the failures and answers, or to no list while its first fetch is in flight. It evicts an entry
// that holds nothing.
func (c *Cache[K]) settle(e *entry[K]) {
	if t := e.token.Load(); t != e.place.token {
		c.unlink(e)
		c.link(e, t)
	}
	switch {
	case e.place.token != nil:
		e.place.move(e, &c.tokens)
	case e.failure.err != nil || len(e.challenges) > 0:
		e.place.move(e, &c.failures)
	case e.flights > 0:
		e.place.move(e, nil)
	default:
		c.evict(e)
	}
}

// move puts e at the end of l, or takes it off its list if l is nil.
func (p *place[K]) move(e *entry[K], l *list.List) {
	if p.list != nil {
		p.list.Remove(p.element)
	}
	if p.list = l; l != nil {
		p.element = l.PushBack(e)
	}
}

// admit adds e to the cache.
func (c *Cache[K]) admit(e *entry[K]) {
	c.entries.Store(e.key, e)
	if grouped, ok := any(e.key).(Grouped); ok {
		group := grouped.Group()
		e.place.group, e.place.member = group, len(c.byGroup[group])
		c.byGroup[group] = append(c.byGroup[group], e)
	}
}

// evict removes e from the cache.
func (c *Cache[K]) evict(e *entry[K]) {
	c.unlink(e)
	e.place.move(e, nil)
	if group := e.place.group; group != nil {
		members := c.byGroup[group]
		members[len(members)-1].place.member = e.place.member
		removeAt(c.byGroup, group, e.place.member)
		e.place.group = nil
	}
	c.entries.CompareAndDelete(e.key, e)
	e.leave()
}

// removeAt removes the i-th entry of a list by moving the last one there. It deletes the list once
// it is empty.
func removeAt[G comparable, K comparable](lists map[G][]*entry[K], of G, i int) {
	list := lists[of]
	last := len(list) - 1
	list[i], list[last] = list[last], nil // nil, so that the array does not keep it alive
	if lists[of] = list[:last]; last == 0 {
		delete(lists, of)
	}
}

// trim drops expired tokens and evicts entries until the bounds hold. It spares landed and entries
// with a fetch in flight, so a bound may be exceeded until those land.
func (c *Cache[K]) trim(landed *entry[K], now instant) {
	for range min(dropsPerLanding, len(c.byExpiry)) {
		if e := c.byExpiry[0]; !e.place.token.valid(now) {
			e.expire()
			c.settle(e)
		}
	}
	c.bound(&c.tokens, landed)
	c.bound(&c.failures, landed)
}

// bound evicts entries of a list until it is within the bound.
func (c *Cache[K]) bound(l *list.List, landed *entry[K]) {
	for l.Len() > c.options.MaxTokens {
		e := c.victim(l, landed)
		if e == nil {
			return
		}
		c.evict(e)
	}
}

// victim returns the entry of a list to evict, or nil. It gives entries that were hit since the
// last look a second chance. After maxLooks entries it takes the next one that may go.
func (c *Cache[K]) victim(l *list.List, landed *entry[K]) *entry[K] {
	for i := range 2 * maxLooks {
		front := l.Front()
		if e := front.Value.(*entry[K]); e != landed && e.flights == 0 && (!e.clearTouched() || i >= maxLooks) {
			return e
		}
		l.MoveToBack(front)
	}
	return nil
}

// link indexes e by its token, if it has one.
func (c *Cache[K]) link(e *entry[K], t *token) {
	if e.place.token = t; t == nil {
		return
	}
	e.place.twin = len(c.byToken[t.Token])
	c.byToken[t.Token] = append(c.byToken[t.Token], e)
	heap.Push(&c.byExpiry, e)
}

// unlink undoes link.
func (c *Cache[K]) unlink(e *entry[K]) {
	p := &e.place
	if p.token == nil {
		return
	}
	twins := c.byToken[p.token.Token]
	twins[len(twins)-1].place.twin = p.twin
	removeAt(c.byToken, p.token.Token, p.twin)
	heap.Remove(&c.byExpiry, p.expiry)
	p.token = nil
}

// expiries is a heap of entries, earliest expiry first. It implements [heap.Interface].
type expiries[K comparable] []*entry[K]

func (h expiries[K]) Len() int { return len(h) }
func (h expiries[K]) Less(i, j int) bool {
	return h[i].place.token.expires.wall < h[j].place.token.expires.wall
}

func (h expiries[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place.expiry, h[j].place.expiry = i, j
}

// Push implements [heap.Interface].
func (h *expiries[K]) Push(x any) {
	e := x.(*entry[K])
	e.place.expiry = len(*h)
	*h = append(*h, e)
}

// Pop implements [heap.Interface].
func (h *expiries[K]) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil // nil, so that the array does not keep the token alive
	*h = (*h)[:last]
	return e
}
