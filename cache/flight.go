package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/internal/guid"
)

// grace is how long a fetch whose context has ended may take to say why before it is abandoned.
const grace = 100 * time.Millisecond

// flight is one fetch that any number of callers wait for.
type flight struct {
	Flight
	number    uint64 // of its entry's flights
	challenge bool   // answers a claims challenge
	failures  int    // which failure in a row this one's would be
	before    error  // how the key failed last before takeoff; for those who wait, and no part of this one's own failure

	progress  atomic.Pointer[progress]
	abandoned atomic.Pointer[func(error)]
	done      chan struct{}

	// What follows is written before done is closed, and read after.

	token      azcore.AccessToken
	err        error
	landedAt   time.Time
	superseded bool // the token was invalidated or a newer challenge answered since takeoff: token is not in the cache
}

// Flight is what a fetch may want to know of itself.
type Flight struct {
	ID         string // a random GUID, to tell flights apart in logs and traces
	Background bool   // started for nobody who waits: a refresh ahead of time, or a prefetch
}

// FlightOf returns the flight that the context of a fetch belongs to; the zero value for any other context.
func FlightOf(ctx context.Context) Flight {
	if f, ok := ctx.Value(flightKey{}).(*flight); ok {
		return f.Flight
	}
	return Flight{}
}

type flightKey struct{}

// landed returns a flight that has brought t.
func landed(t azcore.AccessToken) *flight {
	f := &flight{token: t, done: make(chan struct{})}
	close(f.done)
	return f
}

// launchRefresh starts the key's one refresh.
func (c *Cache[K]) launchRefresh(e *entry[K], background bool) {
	e.flight = c.launch(e, "", false, background)
}

// launch starts a flight for e.
func (c *Cache[K]) launch(e *entry[K], claims string, challenge, background bool) *flight {
	e.launched++
	e.inFlight++
	e.wake()
	c.settle(e)
	f := &flight{
		number: e.launched, challenge: challenge, failures: e.failure.count + 1, before: e.failure.err,
		Flight: Flight{ID: guid.New(), Background: background}, done: make(chan struct{}),
	}
	f.progress.Store(&progress{doing: "starting"})
	go func() { c.land(e, f, c.fly(f, e.key, claims)) }()
	return f
}

// outcome is what a fetch came to.
type outcome struct {
	token   azcore.AccessToken
	err     error
	pause   time.Duration // before the next attempt, if there is an error
	ordered time.Duration // the same, if the other side asked for it
}

// fly runs the fetch on a context and a goroutine of its own: nobody's cancellation ends it, and it cannot outlast its
// time even if it ignores its context.
func (c *Cache[K]) fly(f *flight, key K, claims string) outcome {
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), flightKey{}, f), c.options.Timeout)
	defer cancel()
	result := make(chan outcome, 1)
	go c.run(ctx, f, key, claims, result)
	select {
	case o := <-result:
		return o
	case <-ctx.Done():
	}
	select {
	case o := <-result:
		return o
	case <-time.After(grace):
		return outcome{err: f.abandon(ctx, c.options.Timeout), pause: Backoff(f.failures)}
	}
}

// abandon returns the error of a flight that ignores its context, and tells whoever asked to be told.
func (f *flight) abandon(ctx context.Context, timeout time.Duration) error {
	p := f.progress.Load()
	err := fmt.Errorf("the exchange was abandoned after %s while %s: %w", timeout, p.doing, ctx.Err())
	if p.err != nil {
		err = fmt.Errorf("%w; its last failure: %w", err, p.err)
	}
	if told := f.abandoned.Load(); told != nil {
		go harmless(func() { (*told)(err) }) // on a goroutine of its own: it may hang, too
	}
	return err
}

// run calls what is the user's: the fetch and, on failure, the functions that tell when to try again. Whatever they do ends
// in one outcome.
func (c *Cache[K]) run(ctx context.Context, f *flight, key K, claims string, result chan<- outcome) {
	o := outcome{err: errors.New("cache: the fetch ended its goroutine (runtime.Goexit)"), pause: Backoff(f.failures)}
	defer func() {
		if p := recover(); p != nil {
			o = outcome{err: panicError(p), pause: Backoff(f.failures)}
		}
		result <- o
	}()
	t, err := c.fetch(ctx, key, claims)
	if err == nil {
		o = outcome{token: t}
		return
	}
	o = outcome{err: err, pause: c.options.Backoff(err, f.failures), ordered: c.options.RetryAfter(err)}
}

// land stores what a flight brought and wakes those who wait for it.
func (c *Cache[K]) land(e *entry[K], f *flight, o outcome) {
	now := time.Now()
	if o.err == nil && !o.token.ExpiresOn.After(now) {
		o.err = fmt.Errorf("cache: the fetch brought a token that expired at %s", o.token.ExpiresOn.UTC().Format(time.RFC3339))
		o.pause = Backoff(f.failures)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	f.token, f.err, f.landedAt, f.superseded = o.token, o.err, now, e.supersedes(f, o.token)
	switch {
	case o.err != nil:
		e.remember(f, o, now, c.elapsed(now))
	case !f.superseded:
		f.token = c.store(e, f, now)
	}
	if e.flight == f {
		e.flight = nil
	}
	e.inFlight--
	e.wake()
	e.used.Store(2 * c.landings.Add(1)) // those who waited are its latest users
	c.settle(e)
	c.trim(now)
}

// panicError makes an error of a panic. The value is told only by its type unless the runtime made it: a panic of the
// fetch's own may quote a token.
func panicError(p any) error {
	what := fmt.Sprintf("a value of type %T, not shown because it could hold a secret", p)
	if r, ok := p.(runtime.Error); ok {
		what = r.Error()
	}
	return fmt.Errorf("cache: the fetch panicked at %s: %s", panicSite(), what)
}

// panicSite returns the function and line that panicked: the first frame below the runtime's panic machinery.
func panicSite() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for panicking := false; ; {
		frame, more := frames.Next()
		ofRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicking && !ofRuntime || !more {
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
		panicking = panicking || ofRuntime
	}
}
