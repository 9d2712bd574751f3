package cache

import "context"

// progress is what a flight says of itself to a caller that stops waiting.
type progress struct {
	doing string
	err   error // how it failed last itself; nil if it did not
}

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

// OnAbandon makes the cache call f, on a goroutine of its own, if it abandons the fetch that ctx belongs to, with the error that
// callers get. A panic in f is dropped. Outside a fetch OnAbandon does nothing.
func OnAbandon(ctx context.Context, f func(error)) {
	if of, ok := ctx.Value(flightKey{}).(*flight); ok {
		of.abandoned.Store(&f)
	}
}
