package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/entrafed/entrafed/internal/redact"
)

// Report tells callers that stop waiting for the fetch that ctx belongs to what it is doing, and how it failed last; with a
// nil err the failure that was reported before stands. doing continues a sentence: "waiting for a reply from
// login.microsoftonline.com". Outside a fetch it does nothing.
func Report(ctx context.Context, doing string, err error) {
	f, ok := ctx.Value(flightKey{}).(*flight)
	if !ok {
		return
	}
	if err == nil {
		err = f.progress.Load().err
	}
	f.progress.Store(&progress{doing: doing, err: err})
}

// OnAbandon makes the cache call told, on a goroutine of its own, if it abandons the fetch that ctx belongs to, with the error
// that callers get. A panic in told is dropped. Outside a fetch OnAbandon does nothing.
func OnAbandon(ctx context.Context, told func(error)) {
	if f, ok := ctx.Value(flightKey{}).(*flight); ok {
		f.abandoned.Store(&told)
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
	var errs []error
	for _, err := range []error{e.ended, e.cause, e.last} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
