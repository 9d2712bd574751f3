package otelmeter_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/otelmeter"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

// newMeter returns the function under test, and a reader of its measurements.
func newMeter(t *testing.T, options *otelmeter.Options) (func(credential.ExchangeEvent), *sdk.ManualReader) {
	t.Helper()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	t.Cleanup(func() { assert.NoError(t, provider.Shutdown(context.Background())) })
	onExchange, err := otelmeter.New(provider.Meter("test"), options)
	require.NoError(t, err)
	return onExchange, reader
}

// collect returns the metrics by name.
func collect(t *testing.T, reader *sdk.ManualReader) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	byName := map[string]metricdata.Metrics{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			byName[m.Name] = m
		}
	}
	return byName
}

// counts returns the counter's values by attributes, in OpenTelemetry's encoding with sorted keys.
func counts(t *testing.T, reader *sdk.ManualReader) map[string]int64 {
	t.Helper()
	sum, ok := collect(t, reader)["entrafed.exchanges"].Data.(metricdata.Sum[int64])
	require.True(t, ok)
	byAttributes := map[string]int64{}
	for _, point := range sum.DataPoints {
		byAttributes[point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Value
	}
	return byAttributes
}

func TestInstruments(t *testing.T) {
	onExchange, reader := newMeter(t, nil)
	onExchange(credential.ExchangeEvent{TenantID: "t", Duration: 1500 * time.Millisecond})
	onExchange(credential.ExchangeEvent{TenantID: "u", Duration: 250 * time.Millisecond})

	metrics := collect(t, reader)

	require.Len(t, metrics, 2)
	counter, ok := metrics["entrafed.exchanges"].Data.(metricdata.Sum[int64])
	require.True(t, ok)
	assert.True(t, counter.IsMonotonic)
	assert.Equal(t, "{exchange}", metrics["entrafed.exchanges"].Unit)
	histogram, ok := metrics["entrafed.exchange.duration"].Data.(metricdata.Histogram[float64])
	require.True(t, ok)
	assert.Equal(t, "s", metrics["entrafed.exchange.duration"].Unit)
	require.Len(t, histogram.DataPoints, 1, "all tenants share a histogram")
	assert.Equal(t, uint64(2), histogram.DataPoints[0].Count)
	assert.InDelta(t, 1.75, histogram.DataPoints[0].Sum, 1e-9)
	assert.Equal(t, "entrafed.outcome=success", histogram.DataPoints[0].Attributes.Encoded(attribute.DefaultEncoder()))
}

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "entrafed.outcome=success,entrafed.tenant=t"},
		{&exchange.Error{StatusCode: 401, Code: "invalid_client"}, "entrafed.outcome=refused,entrafed.tenant=t,error.type=invalid_client"},
		{&exchange.Error{StatusCode: 400, Code: "made up"}, "entrafed.outcome=refused,entrafed.tenant=t,error.type=_OTHER"},
		{&exchange.Error{StatusCode: 429}, "entrafed.outcome=throttled,entrafed.tenant=t,error.type=_OTHER"},
		{&exchange.Error{StatusCode: 503, Code: "temporarily_unavailable"}, "entrafed.outcome=throttled,entrafed.tenant=t,error.type=temporarily_unavailable"},
		{&exchange.Error{StatusCode: 502}, "entrafed.outcome=failed,entrafed.tenant=t,error.type=_OTHER"},
		{&exchange.Error{StatusCode: 500, Code: "server_error"}, "entrafed.outcome=failed,entrafed.tenant=t,error.type=server_error"},
		{&exchange.Error{StatusCode: 200}, "entrafed.outcome=failed,entrafed.tenant=t,error.type=_OTHER"},
		{&exchange.Error{StatusCode: 307}, "entrafed.outcome=failed,entrafed.tenant=t,error.type=_OTHER"},
		{fmt.Errorf("wrapped: %w", &exchange.Error{StatusCode: 400, Code: "invalid_scope"}), "entrafed.outcome=refused,entrafed.tenant=t,error.type=invalid_scope"},
		{fmt.Errorf("wrapped: %w", context.DeadlineExceeded), "entrafed.outcome=failed,entrafed.tenant=t,error.type=timeout"},
		{errors.New("no network"), "entrafed.outcome=failed,entrafed.tenant=t,error.type=_OTHER"},
	} {
		t.Run(c.want, func(t *testing.T) {
			onExchange, reader := newMeter(t, nil)
			onExchange(credential.ExchangeEvent{TenantID: "t", Err: c.err})

			assert.Equal(t, map[string]int64{c.want: 1}, counts(t, reader))
		})
	}
}

func TestTenantsAreBounded(t *testing.T) {
	onExchange, reader := newMeter(t, &otelmeter.Options{MaxTenants: 2})
	for i := range 100 {
		onExchange(credential.ExchangeEvent{TenantID: fmt.Sprint("t", i)})
	}
	onExchange(credential.ExchangeEvent{TenantID: "t1"})

	assert.Equal(t, map[string]int64{
		"entrafed.outcome=success,entrafed.tenant=t0":     1,
		"entrafed.outcome=success,entrafed.tenant=t1":     2,
		"entrafed.outcome=success,entrafed.tenant=_OTHER": 98,
	}, counts(t, reader))
}

func TestTenantsAreBoundedByDefault(t *testing.T) {
	onExchange, reader := newMeter(t, nil)
	for i := range 1000 {
		onExchange(credential.ExchangeEvent{TenantID: fmt.Sprint("t", i)})
	}

	assert.Len(t, counts(t, reader), 51)
}

func TestConcurrentUse(t *testing.T) {
	onExchange, reader := newMeter(t, &otelmeter.Options{MaxTenants: 5})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { onExchange(credential.ExchangeEvent{TenantID: fmt.Sprint("t", i)}) })
	}
	wg.Wait()

	var sum int64
	all := counts(t, reader)
	for _, n := range all {
		sum += n
	}
	assert.Equal(t, int64(10), sum)
	assert.Len(t, all, 6)
}

func TestNoopMeter(t *testing.T) {
	onExchange, err := otelmeter.New(noop.NewMeterProvider().Meter("test"), nil)

	require.NoError(t, err)
	assert.NotPanics(t, func() { onExchange(credential.ExchangeEvent{}) })
}

// Entra ID grants, refuses and throttles, and the assertion's source fails.
func TestCredential(t *testing.T) {
	t.Setenv("AZURE_AUTHORITY_HOST", "")
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "")
	synctest.Test(t, func(t *testing.T) {
		onExchange, reader := newMeter(t, nil)
		var entra entratest.Server
		var cluster entratest.Cluster
		var broken error
		options := credential.Options{
			ClientID: clientID, TenantID: tenantID, OnExchange: onExchange, PropagationTimeout: -1,
			Assertion: func(context.Context) (string, error) {
				if broken != nil {
					return "", broken
				}
				return cluster.Token(entratest.TokenRequest{})
			},
		}
		options.Transport, options.Retry.MaxRetries = &entra, -1
		cred, err := credential.New(&options)
		require.NoError(t, err)
		get := func(resource string) error {
			_, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"api://" + resource + "/.default"}})
			return err
		}

		require.NoError(t, get("granted"))
		require.NoError(t, get("granted"), "a hit")
		entra.Enqueue(entratest.Refuse(700016), entratest.Throttle(time.Minute))
		require.Error(t, get("refused"))
		require.Error(t, get("throttled"))
		broken = errors.New("broken")
		require.ErrorIs(t, get("unasked"), broken)

		tenant := ",entrafed.tenant=" + tenantID
		synctest.Wait() // exchanges do not wait for OnExchange
		got := counts(t, reader)
		assert.Equal(t, int64(1), got["entrafed.outcome=success"+tenant], "a cache hit is not an exchange")
		assert.Equal(t, int64(1), got["entrafed.outcome=refused"+tenant+",error.type=unauthorized_client"])
		assert.Equal(t, int64(1), got["entrafed.outcome=throttled"+tenant+",error.type=_OTHER"])
		assert.Equal(t, int64(1), got["entrafed.outcome=failed"+tenant+",error.type=_OTHER"])
		assert.Len(t, got, 4)
	})
}
