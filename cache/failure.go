package cache

import (
	"fmt"
	"time"
)

// failure is the memory of a key's last failure. The zero value is none.
type failure struct {
	err     error
	count   int       // failures in a row
	at      time.Time // of the last one
	by      uint64    // number of the flight that failed
	until   int64     // when the next attempt is due; monotonic
	due     time.Time // the same by the wall clock, for people
	ordered bool      // the other side asked for the pause, so it holds challenges back too
}

// standing returns the remembered failure while the key is left alone, or nil.
func (f *failure) standing(elapsed int64) error {
	if f.err == nil || elapsed >= f.until {
		return nil
	}
	return &standingError{err: f.err, due: f.due, failures: f.count, ordered: f.ordered}
}

// lastFailure returns how the key failed last, if it did; e may be nil.
func (e *entry[K]) lastFailure() error {
	if e == nil {
		return nil
	}
	return e.failure.err
}

// remember notes what flight f failed of. A challenge's failure, and that of a flight whose result no longer counts, is noted
// only for the pause that the other side asked for: it says nothing about the key's own requests. Such a pause stands until
// it is over, whatever else fails.
func (e *entry[K]) remember(f *flight, o outcome, now time.Time, elapsed int64) {
	ordered := o.ordered > 0
	if (f.challenge || f.superseded) && !ordered {
		return
	}
	if ordered {
		o.pause = stretch(o.ordered)
	}
	next := failure{
		err: o.err, count: e.failure.count + 1, at: now, by: f.number,
		until: elapsed + int64(o.pause), due: now.Add(o.pause), ordered: ordered,
	}
	if last := e.failure; last.ordered && last.until > next.until {
		next.until, next.due, next.ordered = last.until, last.due, true
	}
	e.failure = next
}

// standingError is a remembered failure, returned without a new attempt.
type standingError struct {
	err      error
	due      time.Time
	failures int
	ordered  bool
}

func (e *standingError) Error() string {
	why := "backing off"
	if e.ordered {
		why = "asked to wait"
	}
	return fmt.Sprintf("%s (failure %d, %s: next attempt at %s)", e.err, e.failures, why, e.due.UTC().Format("2006-01-02 15:04:05.0Z"))
}

func (e *standingError) Unwrap() error { return e.err }
