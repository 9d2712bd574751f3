package credential

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/entrafed/entrafed/internal/trace"
	"github.com/entrafed/entrafed/internal/version"
)

// traceWaits gives every caller that waits a span of its own, a child of the caller's, tied to the exchange it waits for by the
// correlation ID: an exchange that belongs to no caller can be no caller's child. A hit has no span.
func (c *Credential) traceWaits(provider tracing.Provider) {
	tracer := provider.NewTracer(version.Module, version.Version)
	if !tracer.Enabled() {
		return
	}
	c.cache.OnWait(func(ctx context.Context, k key) func(string, error) {
		_, span := trace.Start(ctx, tracer, trace.GetToken, c.tenants.spelling(k.tenant), k.scopes)
		return func(flight string, err error) { trace.End(span, flight, err) }
	})
}
