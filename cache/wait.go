package cache

import (
	"cmp"
	"context"
	"errors"

	"github.com/entrafed/entrafed/internal/redact"
)

// wait is one caller's wait.
type wait struct {
	by     *Flight                     // the flight that waits; nil for a caller from outside
	flight *Flight                     // the flight that the caller currently waits for
	result chan func() (string, error) // passed to OnWait; nil until the caller sleeps
}

// join makes the caller wait for f instead of the previous flight.
func (w *wait) join(f *Flight) {
	if w.flight != f {
		w.leave()
		w.flight = f
		if f.waitsFor(w.by) { // a ring would have no end
			w.by = nil
		}
		if w.by != nil {
			w.by.inner = f
		}
		if w.counts() {
			f.join()
		}
	}
}

// leave ends the caller's wait for its flight.
func (w *wait) leave() {
	if w.flight != nil && w.counts() {
		w.flight.leave()
	}
	if w.by != nil {
		w.by.inner = nil
	}
}

// counts reports whether a caller from outside waits, directly or for the flight that waits.
func (w *wait) counts() bool { return w.by == nil || w.by.waiters.Load() > 0 }

// waitsFor reports whether f is other or waits for it, directly or by way of others.
func (f *Flight) waitsFor(other *Flight) bool {
	for f != nil && f != other {
		f = f.inner
	}
	return f != nil
}

// join adds a waiter to f. With its first one, f becomes a waiter of the flight that it waits for.
func (f *Flight) join() {
	if f.waiters.Add(1) == 1 && f.inner != nil {
		f.inner.join()
	}
}

// leave removes a waiter from f, and notifies f if it was the last one.
func (f *Flight) leave() {
	if f.waiters.Add(-1) > 0 {
		return
	}
	select {
	case f.deserted <- struct{}{}:
	default:
	}
	if f.inner != nil {
		f.inner.leave()
	}
}

// wait returns the wait of a caller. A fetch of this cache that calls Get or Renew, one call at a
// time, waits on behalf of its own waiters.
func (c *Cache[K]) wait(ctx context.Context) *wait {
	by, ok := ctx.Value(flightKey{}).(*Flight)
	if !ok || by.owner != c || by.inner != nil || by.landed {
		return &wait{}
	}
	return &wait{by: by}
}

// end ends the wait. err is the caller's result.
func (w *wait) end(err error) {
	w.leave()
	if w.result != nil {
		w.result <- func() (string, error) { return w.flight.id, err }
	}
}

// sleep unlocks the cache until changed is closed or ctx ends.
func (c *Cache[K]) sleep(ctx context.Context, w *wait, key K, changed <-chan struct{}) {
	c.mu.Unlock()
	defer c.mu.Lock()
	if w.result == nil && c.options.OnWait != nil {
		w.result = make(chan func() (string, error), 1)
		go harmless(func() { c.options.OnWait(ctx, key, func() (string, error) { return (<-w.result)() }) })
	}
	select {
	case <-changed:
	case <-ctx.Done():
	}
}

// harmless calls an observer and swallows its panic.
func harmless(observe func()) {
	defer func() { _ = recover() }()
	observe()
}

// gaveUp returns the error of a caller whose context has ended. f is the flight that it waited for,
// or nil.
func (e *entry[K]) gaveUp(ctx context.Context, f *Flight) error {
	doing, last := "not started", e.failure.err
	if f != nil {
		p := f.progress.Load()
		doing, last = p.doing, cmp.Or(p.err, f.before)
		for f = f.inner; f != nil; f = f.inner {
			last = cmp.Or(f.progress.Load().err, f.before, last)
		}
	}
	err := unfinished(ctx.Err().Error(), last, ctx.Err(), context.Cause(ctx))
	err.doing = doing
	if cause := context.Cause(ctx); !errors.Is(ctx.Err(), cause) {
		err.cause = cause
	}
	return err
}

// unfinishedError says why there is no result.
type unfinishedError struct {
	state string
	doing string // what the fetch was doing when the caller gave up; empty if it did not
	cause error  // why the caller gave up, if its context has a cause; user code, which must not run under the lock
	last  error  // how the fetch last failed; nil if it has not
	chain error  // for errors.Is and errors.As
}

func unfinished(state string, last error, why ...error) *unfinishedError {
	return &unfinishedError{state: state, last: last, chain: errors.Join(append(why, last)...)}
}

// State returns the error's text without the fetch's last failure.
func (e *unfinishedError) State() string {
	state := e.state
	if e.cause != nil {
		state += " (" + redact.New().Text(e.cause.Error(), redact.MaxText) + ")"
	}
	if e.doing != "" {
		state += "; the exchange was " + e.doing
	}
	return state
}

// Doing returns what the fetch was doing when the caller gave up, as [Flight.Report] has it. It is
// empty if the caller did not.
func (e *unfinishedError) Doing() string { return e.doing }

// Last returns how the fetch last failed, or nil if it has not.
func (e *unfinishedError) Last() error { return e.last }

func (e *unfinishedError) Error() string {
	if e.last == nil {
		return e.State()
	}
	return e.State() + "; its last failure: " + e.last.Error()
}

func (e *unfinishedError) Unwrap() error { return e.chain }
