package cache

import (
	"sync/atomic"
	"time"
)

// entry is the cache's state for one key. Only this file writes its fields, except for place. The
// atomics are read without a lock; the cache's mutex guards everything else.
type entry[K comparable] struct {
	key     K
	token   atomic.Pointer[token] // nil if none
	quiet   atomic.Pointer[pause] // keeps stale hits from starting a fetch
	touched atomic.Bool           // there was a hit since the last eviction check

	flight     *Flight            // the plain fetch in flight that counts, or nil
	challenges map[string]*Flight // by claims; in flight or just answered
	flights    int                // in flight, including those that no longer count
	launched   uint64             // number of the newest flight
	changed    chan struct{}      // closed on the next change; nil if nobody waits

	failure failure // the last one
	// requested is the failure with the longest requested pause. It delays challenges too.
	requested failure
	failedBy  uint64 // number of the newest flight behind failure and requested
	failures  uint64 // plain fetches that failed while they counted

	refusals  int   // consecutive refusals by resources
	refusable int64 // monotonic time from which a refusal counts

	answered    uint64 // number of the newest challenge whose answer was stored
	invalidated uint64 // number of the newest flight when the token was last invalidated
	forgotten   uint64 // number of the newest flight when the group was last forgotten

	kept  bool // the entry is in the cache
	place place[K]
}

// touch records a hit. Only the first one writes, so that hits on many cores do not contend for a
// cache line.
func (e *entry[K]) touch() {
	if !e.touched.Load() {
		e.touched.Store(true)
	}
}

// clearTouched forgets hits and reports whether there were any.
func (e *entry[K]) clearTouched() bool { return e.touched.Swap(false) }

// begin records that f is in flight.
func (e *entry[K]) begin(f *Flight) {
	e.kept = true
	e.launched++
	e.flights++
	f.number, f.failures, f.before = e.launched, e.failure.count+1, e.failure.err
	if f.challenge {
		if e.challenges == nil {
			e.challenges = make(map[string]*Flight)
		}
		e.challenges[f.claims] = f
	} else {
		e.flight = f
	}
	e.update()
}

// land records the outcome of f. Flights are ordered. A plain fetch counts while it is the entry's
// flight, and a challenge unless a newer one was answered first. Neither counts if an invalidation
// of its token has overtaken it.
func (e *entry[K]) land(f *Flight, o outcome, now instant, overtaken bool) {
	e.flights--
	counts := f == e.flight
	if counts {
		e.flight = nil
	} else if f.challenge {
		counts = f.number > e.answered
	}
	counts = counts && !overtaken
	f.landed, f.landedAt, f.err = true, now, o.err
	if o.err != nil {
		e.fail(f, o, counts && !f.challenge, now)
	} else if f.token = newToken(o.token, f.start, now); counts {
		e.token.Store(f.token)
		if f.challenge { // a plain fetch in flight does not know the claims
			e.answered, e.flight = f.number, nil
		}
		if f.number > e.failedBy { // unless a newer fetch was asked to wait
			e.failure, e.requested = failure{}, failure{}
		}
	}
	close(f.done)
	e.update()
}

// fail records a failure. If the fetch does not count, only a requested pause matters, and that
// only if the group was not forgotten: otherwise it says nothing about the key's own fetches. The
// longest requested pause stands.
func (e *entry[K]) fail(f *Flight, o outcome, counts bool, now instant) {
	requested, length, count := o.requested > 0, max(0, min(o.pause, maxLifetime)), e.failure.count
	if counts {
		e.failures++
		count++
	} else if !requested || f.number <= e.forgotten {
		return
	}
	if requested {
		length = stretch(o.requested)
	}
	end, standing := pause(now.add(length)), e.requested.pause.left(now)
	e.failedBy = max(f.number, e.failedBy)
	e.failure = failure{o.err, count, time.Unix(0, now.wall), &end, requested}
	if requested && length > standing {
		e.requested = e.failure
	} else if standing > length {
		e.failure.pause, e.failure.requested = e.requested.pause, true
	}
}

// drop removes the token and stops fetches in flight from restoring it.
func (e *entry[K]) drop() {
	e.token.Store(nil)
	e.flight, e.invalidated = nil, e.launched
	e.update()
}

// expire removes a token that has expired.
func (e *entry[K]) expire() { e.token.Store(nil) }

// refuse makes callers wait for another token, unless this token just replaced a refused one.
func (e *entry[K]) refuse(now instant) {
	t := e.token.Load()
	if t.refused.Load() || now.mono < e.refusable {
		return
	}
	if now.mono >= e.refusable+int64(maxBackoff) {
		e.refusals = 0
	}
	e.refusals++
	e.refusable = now.mono + int64(Backoff(e.refusals))
	t.refused.Store(true)
}

// challenge refuses the token if it was challenged before, and the request that led to this
// challenge was sent after that.
func (e *entry[K]) challenge(sent int64, now instant) {
	t := e.token.Load()
	switch first := t.challenged.Load(); {
	case first == 0:
		t.challenged.Store(max(now.mono, 1))
	case sent > first && !e.answering():
		e.refuse(now)
	}
}

// answering reports whether a challenge is in flight.
func (e *entry[K]) answering() bool {
	for _, f := range e.challenges {
		if !f.landed {
			return true
		}
	}
	return false
}

// clear forgets everything and stops fetches in flight from restoring it.
func (e *entry[K]) clear() {
	e.token.Store(nil)
	e.challenges, e.failure, e.requested = nil, failure{}, failure{}
	e.flight, e.answered, e.forgotten = nil, e.launched, e.launched
	e.update()
}

// leave marks the entry as evicted. Callers that still hold it may use its token.
func (e *entry[K]) leave() { e.kept = false }

// answer returns a challenge that answers the claims, or nil: one in flight that no invalidation
// overtook, or one that was just answered with a failure or with a token that is still good.
func (e *entry[K]) answer(claims string, now instant) *Flight {
	f := e.challenges[claims]
	switch {
	case f == nil:
	case !f.landed && f.number <= e.invalidated,
		f.landed && now.mono-f.landedAt.mono >= int64(sharedAnswer),
		f.token != nil && (!f.token.valid(now) || f.token.refused.Load()):
		return nil
	}
	return f
}

// forget drops f from the answers.
func (e *entry[K]) forget(f *Flight) {
	if e.challenges[f.claims] == f {
		delete(e.challenges, f.claims)
	}
}

// change returns a channel that is closed on the next change.
func (e *entry[K]) change() <-chan struct{} {
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.changed
}

// update sets when stale hits may start a fetch, and wakes all waiters.
func (e *entry[K]) update() {
	e.quiet.Store(e.failure.pause)
	if e.flight != nil {
		e.quiet.Store(inFlight)
	}
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}
