// Package trace names the library's spans and their attributes, in one place: docs/tracing.md lists them.
package trace

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/entrafed/entrafed/internal/redact"
)

// Names of spans.
const (
	Exchange = "entrafed.Exchange" // one token request, its HTTP retries included; a root unless its context has a span
	GetToken = "entrafed.GetToken" // a caller that waits for an exchange; the caller's span's child
)

// Keys of attributes.
const (
	tenantID      = "entrafed.tenant_id" // in lower case, as in events and status, so that spans of one tenant match
	scope         = "entrafed.scope"
	correlationID = "entrafed.correlation_id"
	outcome       = "entrafed.outcome" // "success" or "failure"
)

// Start starts a span for a request of a token for scope in tenant, as they were given: either may be a token by mistake.
func Start(ctx context.Context, tracer tracing.Tracer, name, tenant, scopes string) (context.Context, tracing.Span) {
	clean := redact.New("").Clean
	return tracer.Start(ctx, name, &tracing.SpanOptions{
		Kind:       tracing.SpanKindInternal,
		Attributes: []tracing.Attribute{{Key: tenantID, Value: strings.ToLower(clean(tenant))}, {Key: scope, Value: clean(scopes)}},
	})
}

// StartPipeline is Start for a span whose HTTP requests azcore's pipeline traces as its children. Only runtime.StartSpan tells
// the pipeline of a tracer, but it does not hand out the span; this does.
func StartPipeline(ctx context.Context, tracer tracing.Tracer, name, tenant, scopes string) (context.Context, tracing.Span) {
	if !tracer.Enabled() {
		return ctx, tracing.Span{}
	}
	var span tracing.Span // remains none if ctx has an azcore span, which then stands for it
	ours := true
	capturing := tracing.NewTracer(func(ctx context.Context, name string, options *tracing.SpanOptions) (context.Context, tracing.Span) {
		if !ours {
			return tracer.Start(ctx, name, options)
		}
		ctx, span = Start(ctx, tracer, name, tenant, scopes)
		return ctx, span
	}, nil)
	ctx, _ = runtime.StartSpan(ctx, name, capturing, nil)
	ours = false // from here on they are of HTTP requests
	return ctx, span
}

// End ends a span with what came of the request.
func End(span tracing.Span, correlation string, err error) {
	result := "success"
	if err != nil {
		result = "failure"
		span.SetStatus(tracing.SpanStatusError, err.Error())
	}
	span.SetAttributes(tracing.Attribute{Key: correlationID, Value: correlation}, tracing.Attribute{Key: outcome, Value: result})
	span.End()
}
