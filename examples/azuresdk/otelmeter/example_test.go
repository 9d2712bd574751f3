package otelmeter_test

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/otelmeter"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A program has an exporter instead of the reader in this example.
func ExampleNew() {
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	onExchange, err := otelmeter.New(provider.Meter("example.com/app"), nil)
	if err != nil {
		panic(err)
	}
	var entra entratest.Server
	var cluster entratest.Cluster
	reported := make(chan struct{}) // only this example waits for OnExchange
	options := credential.Options{
		ClientID:   "11111111-2222-4333-8444-555555555555",
		TenantID:   "contoso.example",
		Assertion:  func(context.Context) (string, error) { return cluster.Token(entratest.TokenRequest{}) },
		OnExchange: func(e credential.ExchangeEvent) { onExchange(e); close(reported) },
	}
	options.Transport = &entra
	cred, err := credential.New(&options)
	if err != nil {
		panic(err)
	}
	if _, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}); err != nil {
		panic(err)
	}
	<-reported

	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &metrics); err != nil {
		panic(err)
	}
	for _, m := range metrics.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			for _, point := range sum.DataPoints {
				outcome, _ := point.Attributes.Value("entrafed.outcome")
				tenant, _ := point.Attributes.Value("entrafed.tenant")
				fmt.Println(m.Name, point.Value, outcome.AsString(), tenant.AsString())
			}
		}
	}
	// Output:
	// entrafed.exchanges 1 success contoso.example
}
