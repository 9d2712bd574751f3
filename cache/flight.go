package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/internal/guid"
	"github.com/entrafed/entrafed/internal/redact"
)

// grace is how long a fetch may take, after its context has ended, to return an error of its own
// before it is abandoned.
const grace = 100 * time.Millisecond

// Flight is one fetch, as its [FetchFunc] sees it. Its methods are safe for concurrent use.
type Flight struct {
	id         string
	owner      any  // the cache
	background bool // nobody waited when it started
	challenge  bool // answers a claims challenge; otherwise the fetch is a plain one
	claims     string
	serial     uint64 // within the cache
	number     uint64 // within its entry
	start      instant
	failures   int   // consecutive failures if this one fails
	before     error // how the key last failed before this flight, for its waiters

	progress  atomic.Pointer[progress]
	onLanding atomic.Pointer[func(azcore.AccessToken, error)]
	waiters   atomic.Int32
	deserted  chan struct{} // receives when the last waiter leaves

	// The cache's mutex guards the fields below. done is closed once landed is set.

	inner    *Flight // the flight that this one waits for; nil if it waits for none
	landed   bool
	landedAt instant
	token    *token
	err      error
	done     chan struct{}
}

// progress is what a caller that stops waiting learns of a flight.
type progress struct {
	doing string
	err   error // how it last failed on its own; nil if it has not
}

type flightKey struct{}

// FlightOf returns the flight of a fetch's context. For any other context it returns a flight
// without an ID that does nothing.
func FlightOf(ctx context.Context) *Flight {
	if f, ok := ctx.Value(flightKey{}).(*Flight); ok {
		return f
	}
	return prepared(&Flight{})
}

// prepared initializes f and returns it.
func prepared(f *Flight) *Flight {
	f.deserted, f.done = make(chan struct{}, 1), make(chan struct{})
	f.progress.Store(&progress{doing: "starting"})
	return f
}

// ID returns a random GUID that identifies the flight in logs and traces.
func (f *Flight) ID() string { return f.id }

// Background reports whether nobody was waiting when the flight started, as in a refresh ahead of
// time or a prefetch.
func (f *Flight) Background() bool { return f.background }

// Failures returns how many times in a row the key had failed before this flight.
func (f *Flight) Failures() int { return max(0, f.failures-1) }

// Report tells callers that stop waiting what the fetch is doing and how it last failed. A nil err
// keeps the failure reported before. doing continues a sentence: "waiting for a reply from
// login.microsoftonline.com".
func (f *Flight) Report(doing string, err error) {
	f.progress.Store(&progress{doing, cmp.Or(err, f.progress.Load().err)})
}

// Pause waits for d before the fetch tries again. It returns false at once if a retry is pointless,
// because ctx has ended or nobody waits for the fetch any more.
func (f *Flight) Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for f.waiters.Load() > 0 && ctx.Err() == nil {
		select {
		case <-timer.C:
			return f.waiters.Load() > 0 && ctx.Err() == nil
		case <-ctx.Done():
			return false
		case <-f.deserted:
		}
	}
	return false
}

// OnLanding makes the cache call report once with the outcome of the fetch, after it has stored the
// token or the failure and woken the waiters. For an abandoned fetch, the outcome is the error that
// its callers get. report runs on a goroutine that nobody waits for, and the cache recovers its
// panics.
func (f *Flight) OnLanding(report func(azcore.AccessToken, error)) {
	f.onLanding.Store(&report)
}

// launch starts f for e. w, if not nil, waits for it.
func (c *Cache[K]) launch(e *entry[K], f *Flight, w *wait) {
	prepared(f).id, f.owner, f.start = guid.New(), c, c.now()
	if !e.kept {
		c.admit(e)
	}
	c.launches++
	f.serial = c.launches
	e.begin(f)
	c.settle(e)
	if w != nil {
		w.join(f) // before the fetch can check for waiters
	}
	f.background = f.waiters.Load() == 0 // also if w waits for a flight without waiters
	go c.run(e, f)
}

// outcome is the result of a fetch: a token, or an error and the pause before the next attempt.
type outcome struct {
	token     azcore.AccessToken
	err       error
	pause     time.Duration
	requested time.Duration // the pause that the server requested
}

// run runs user code, the fetch and, if it fails, Backoff and RetryAfter, on a context that no
// caller can cancel. Whatever the code does, panics and Goexit included, the flight lands exactly
// once, and no later than its timeout plus grace.
func (c *Cache[K]) run(e *entry[K], f *Flight) {
	timeout := c.options.Timeout
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), flightKey{}, f), timeout)
	o := outcome{err: errors.New("cache: the fetch ended its goroutine (runtime.Goexit)"), pause: Backoff(f.failures)}
	abandon := time.AfterFunc(timeout+grace, func() {
		p := f.progress.Load()
		state := fmt.Sprintf("the exchange was abandoned after %s while %s: %s", timeout, p.doing, context.DeadlineExceeded)
		c.land(e, f, outcome{err: unfinished(state, p.err, context.DeadlineExceeded), pause: Backoff(f.failures)})
	})
	defer func() {
		if p := recover(); p != nil {
			o.err = fmt.Errorf("cache: the fetch panicked %s", redact.Panic(p))
		}
		cancel()
		abandon.Stop()
		c.land(e, f, o)
	}()
	t, err := c.fetch(ctx, e.key, f.claims)
	switch {
	case err != nil:
		o = outcome{err: err, pause: c.options.Backoff(err, f.failures), requested: c.options.RetryAfter(err)}
	case t.Token == "":
		o.err = errors.New("cache: the fetch returned an empty token")
	case !t.ExpiresOn.After(time.Now()):
		o.err = fmt.Errorf("cache: the fetch returned a token that expired at %s", t.ExpiresOn.UTC().Format(time.RFC3339))
	default:
		o = outcome{token: t}
	}
}

// land stores the outcome of a flight, wakes the waiters, and reports the outcome.
func (c *Cache[K]) land(e *entry[K], f *Flight, o outcome) {
	c.mu.Lock()
	if f.landed {
		c.mu.Unlock()
		return // the flight was abandoned
	}
	now := c.now()
	e.land(f, o, now, o.err == nil && c.overtaken(f, o.token.Token))
	c.settle(e)
	c.trim(e, now)
	c.mu.Unlock()
	if f.challenge {
		time.AfterFunc(sharedAnswer, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if e.forget(f); e.kept {
				c.settle(e)
			}
		})
	}
	if report := f.onLanding.Load(); report != nil {
		harmless(func() { (*report)(o.token, o.err) })
	}
}
