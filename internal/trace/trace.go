// Package trace names the library's spans and their attributes in one place. docs/tracing.md lists
// them.
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
	// Exchange is one token request, including its HTTP retries. It is a root span unless its
	// context has a span.
	Exchange = "entrafed.Exchange"
	// GetToken is a caller's wait for an exchange. It is a child of the caller's span.
	GetToken = "entrafed.GetToken"
)

// Keys of attributes.
const (
	// Tenants are in lower case, as in events and status, so that the spans of one tenant match.
	tenantID      = "entrafed.tenant_id"
	clientID      = "entrafed.client_id" // the agent's, if an agent signs in
	fmiPath       = "entrafed.fmi_path"  // when a blueprint gets a token for an agent
	grantType     = "entrafed.grant_type"
	scope         = "entrafed.scope"
	correlationID = "entrafed.correlation_id"
	outcome       = "entrafed.outcome" // "success" or "failure"
)

// Request holds what a span reports about a token request, as the caller passed it. Any of the
// values may be a token by mistake.
type Request struct{ TenantID, ClientID, FMIPath, GrantType, Scope string }

func (r Request) attributes() []tracing.Attribute {
	clean := redact.Setting
	all := []tracing.Attribute{
		{Key: tenantID, Value: strings.ToLower(clean(r.TenantID))}, {Key: clientID, Value: clean(r.ClientID)},
		{Key: grantType, Value: r.GrantType}, {Key: scope, Value: clean(r.Scope)},
	}
	if r.FMIPath != "" {
		all = append(all, tracing.Attribute{Key: fmiPath, Value: clean(r.FMIPath)})
	}
	return all
}

// Start starts a span for a request.
func Start(ctx context.Context, tracer tracing.Tracer, name string, r Request) (context.Context, tracing.Span) {
	return start(ctx, tracer, name, &tracing.SpanOptions{Kind: tracing.SpanKindInternal, Attributes: r.attributes()})
}

// StartPipeline is like Start, for a span whose HTTP requests azcore's pipeline traces as children.
// Only runtime.StartSpan gives the pipeline a tracer, but it does not return the span.
// StartPipeline does.
func StartPipeline(ctx context.Context, tracer tracing.Tracer, name string, r Request) (context.Context, tracing.Span) {
	if !tracer.Enabled() {
		return ctx, tracing.Span{}
	}
	var span tracing.Span // stays empty if ctx has an azcore span, which takes its place
	ours := true
	capturing := tracing.NewTracer(func(ctx context.Context, name string, options *tracing.SpanOptions) (context.Context, tracing.Span) {
		if !ours {
			return start(ctx, tracer, name, options)
		}
		ctx, span = Start(ctx, tracer, name, r)
		return ctx, span
	}, nil)
	ctx, _ = runtime.StartSpan(ctx, name, capturing, nil)
	ours = false // all further spans are of HTTP requests
	return ctx, span
}

// End ends a span with the outcome of the request.
func End(span tracing.Span, correlation string, err error) {
	result := "success"
	if err != nil {
		result = "failure"
		span.SetStatus(tracing.SpanStatusError, err.Error())
	}
	span.SetAttributes(tracing.Attribute{Key: correlationID, Value: correlation}, tracing.Attribute{Key: outcome, Value: result})
	span.End()
}
