package trace

import (
	"context"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
)

type asideKey struct{}

// Aside returns a context for spans whose backend must not delay anything. Their reports, after the
// start, are made in order on a goroutine that nobody waits for.
func Aside(ctx context.Context) context.Context {
	return context.WithValue(ctx, asideKey{}, &aside{})
}

// aside makes reports one after another in the background.
type aside struct {
	mu      sync.Mutex
	reports []func()
	busy    bool // a goroutine is making reports
}

// do makes a report in the background, or at once if a is nil.
func (a *aside) do(report func()) {
	if a == nil {
		quietly(report)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reports = append(a.reports, report)
	if !a.busy {
		a.busy = true
		go a.drain()
	}
}

func (a *aside) drain() {
	for report := a.next(); report != nil; report = a.next() {
		quietly(report)
	}
}

// next returns the next report, or nil.
func (a *aside) next() (report func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy = len(a.reports) > 0; a.busy {
		report, a.reports = a.reports[0], a.reports[1:]
	}
	return report
}

// quietly makes a report and recovers its panic, which says nothing about the request.
func quietly(report func()) {
	defer func() { _ = recover() }()
	report()
}

// start starts a span that cannot fail the request. If the backend panics, the span does nothing.
func start(ctx context.Context, tracer tracing.Tracer, name string, options *tracing.SpanOptions) (within context.Context, span tracing.Span) {
	within = ctx
	var started tracing.Span
	quietly(func() { within, started = tracer.Start(ctx, name, options) })
	a, _ := ctx.Value(asideKey{}).(*aside)
	return within, tracing.NewSpan(tracing.SpanImpl{
		End:           func() { a.do(started.End) },
		SetAttributes: func(attributes ...tracing.Attribute) { a.do(func() { started.SetAttributes(attributes...) }) },
		AddEvent: func(name string, attributes ...tracing.Attribute) {
			a.do(func() { started.AddEvent(name, attributes...) })
		},
		SetStatus: func(status tracing.SpanStatus, text string) { a.do(func() { started.SetStatus(status, text) }) },
	})
}
