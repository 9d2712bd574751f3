package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/entrafed/entrafed/internal/redact"
)

// OnWait makes the cache call begin when a caller starts to wait for a fetch, and the function that begin returns when it
// stops waiting, with the flight's ID ([FlightOf]) and the error. Hits do not wait. A panic in either is dropped, for it says
// nothing about the token. Call it before anything else: unlike the other methods it is not safe for concurrent use.
func (c *Cache[K]) OnWait(begin func(ctx context.Context, key K) (end func(flight string, err error))) {
	c.onWait = begin
}

// wait waits for f in the sight of OnWait.
func (c *Cache[K]) wait(ctx context.Context, key K, f *flight) error {
	if c.onWait == nil || f.ID == "" {
		return f.wait(ctx)
	}
	var end func(flight string, err error)
	harmless(func() { end = c.onWait(ctx, key) })
	err := f.wait(ctx)
	harmless(func() { end(f.ID, err) })
	return err
}

// harmless calls what is only there to be told.
func harmless(tell func()) {
	defer func() { _ = recover() }()
	tell()
}

// wait returns the flight's error when it has landed, or ctx's when that ends first.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	default:
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		p := f.progress.Load()
		return newWaitError(ctx, p.doing, cmp.Or(p.err, f.before))
	}
}

// waitError is what a caller gets whose context ended before the flight it waited for.
type waitError struct {
	ended error // the context's
	cause error // why, when the context's owner told
	doing string
	last  error
}

func newWaitError(ctx context.Context, doing string, last error) *waitError {
	e := &waitError{ended: ctx.Err(), doing: doing, last: last}
	if cause := context.Cause(ctx); !errors.Is(e.ended, cause) {
		e.cause = cause
	}
	return e
}

func (e *waitError) Error() string {
	var b strings.Builder
	b.WriteString(e.ended.Error())
	if e.cause != nil {
		fmt.Fprintf(&b, " (%s)", redact.New("").Text(e.cause.Error(), redact.MaxText))
	}
	b.WriteString("; the exchange was " + e.doing)
	if e.last != nil {
		fmt.Fprintf(&b, "; its last failure: %s", e.last)
	}
	return b.String()
}

func (e *waitError) Unwrap() []error {
	return slices.DeleteFunc([]error{e.ended, e.cause, e.last}, func(err error) bool { return err == nil })
}
