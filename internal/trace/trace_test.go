package trace_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/trace"
)

// spans records the spans started, by name and kind.
type spans []started

type started struct {
	name string
	kind tracing.SpanKind
}

func (s *spans) tracer() tracing.Tracer {
	return tracing.NewTracer(func(ctx context.Context, name string, options *tracing.SpanOptions) (context.Context, tracing.Span) {
		*s = append(*s, started{name, options.Kind})
		return ctx, tracing.Span{}
	}, nil)
}

// noContent is a transport that answers with status 204.
type noContent struct{}

func (noContent) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

// send sends a request through azcore's pipeline, which traces it with the tracer in ctx.
func send(ctx context.Context, t *testing.T) {
	request, err := runtime.NewRequest(ctx, http.MethodPost, "https://login.example")
	require.NoError(t, err)
	_, err = runtime.NewPipeline("m", "v1", runtime.PipelineOptions{}, &policy.ClientOptions{Transport: noContent{}}).Do(request)
	require.NoError(t, err)
}

func TestRequestsOfThePipelineAreTracedWithinTheSpan(t *testing.T) {
	var all spans
	ctx, span := trace.StartPipeline(t.Context(), all.tracer(), trace.Exchange, trace.Request{TenantID: "contoso", Scope: "scope"})
	send(ctx, t)
	trace.End(span, "", nil)
	require.Equal(t, spans{{"entrafed.Exchange", tracing.SpanKindInternal}, {"HTTP POST", tracing.SpanKindClient}}, all)
}

// A caller that is an SDK client already has a span. azcore's guidelines do not allow a second one
// within it.
func TestCallersAzcoreSpanReplacesTheSpan(t *testing.T) {
	var all spans
	ctx, end := runtime.StartSpan(t.Context(), "Client.Method", all.tracer(), nil)
	defer end(nil)
	ctx, span := trace.StartPipeline(ctx, all.tracer(), trace.Exchange, trace.Request{TenantID: "contoso", Scope: "scope"})
	send(ctx, t)
	trace.End(span, "", nil)
	require.Equal(t, spans{{"Client.Method", tracing.SpanKindInternal}, {"HTTP POST", tracing.SpanKindClient}}, all)
}

func TestNothingIsTracedWithoutATracer(t *testing.T) {
	ctx, span := trace.StartPipeline(t.Context(), tracing.Tracer{}, trace.Exchange, trace.Request{TenantID: "contoso", Scope: "scope"})
	require.Equal(t, t.Context(), ctx)
	require.Zero(t, span)
}
