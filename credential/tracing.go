package credential

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/entrafed/entrafed/internal/trace"
)

// traceWaits returns a hook that gives every waiting caller its own span, a child of the caller's.
// The correlation ID links it to the exchange, which belongs to no caller and so cannot be the
// child of one. A hit has no span. traceWaits returns nil if tracing is off.
func (c *core) traceWaits(provider tracing.Provider) func(context.Context, any, func() (string, error)) {
	tracer := provider.NewTracer(trace.Module, trace.Version)
	if !tracer.Enabled() {
		return nil
	}
	return func(ctx context.Context, k any, result func() (string, error)) {
		asked := k.(key)
		r := c.request(asked)
		_, span := trace.Start(ctx, tracer, trace.GetToken, trace.Request{
			TenantID: r.TenantID, ClientID: r.ClientID, FMIPath: r.FMIPath, GrantType: asked.identity.Value().grant(), Scope: asked.scopes,
		})
		flight, err := result()
		trace.End(span, flight, err)
	}
}
