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

// remember notes err. A challenge's failure (plain false) counts only if the other side asked for a pause: it says
// nothing about requests without the challenge.
func (c *Cache[K]) remember(e *entry[K], err error, plain bool) {
	pause := c.options.RetryAfter(err)
	if !plain && pause <= 0 {
		return
	}
	count, now := e.failure.count+1, time.Now()
	ordered := pause > 0
	if ordered {
		pause = stretch(pause)
	} else {
		pause = c.options.Backoff(err, count)
	}
	e.failure = failure{err: err, count: count, at: now, until: c.elapsed(now.Add(pause)), due: now.Add(pause), ordered: ordered}
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
