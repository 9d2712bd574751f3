package exchange_test

import (
	"context"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExchangeIsTraced(t *testing.T) {
	var spans, statuses []string
	o := once(always(401, "application/json", `{"error":"invalid_client","error_description":"AADSTS700213: `+assertion+`"}`))
	o.TracingProvider = tracing.NewProvider(func(string, string) tracing.Tracer {
		return tracing.NewTracer(func(ctx context.Context, name string, _ *tracing.SpanOptions) (context.Context, tracing.Span) {
			spans = append(spans, name)
			return ctx, tracing.NewSpan(tracing.SpanImpl{
				End:           func() {},
				SetAttributes: func(...tracing.Attribute) {},
				SetStatus:     func(_ tracing.SpanStatus, text string) { statuses = append(statuses, text) },
			})
		}, nil)
	}, nil)
	_, err := newClient(t, o).Exchange(t.Context(), request())
	require.Error(t, err)
	assert.Equal(t, []string{"entrafed.Exchange", "HTTP POST"}, spans)
	require.NotEmpty(t, statuses)
	for _, text := range statuses {
		assertNoSecret(t, text)
	}
}
