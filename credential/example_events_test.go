package credential_test

import (
	"context"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// One call per finished exchange makes metrics. Callers wait for it, so it only counts.
func ExampleExchangeEvent() {
	var entra entratest.Server
	counts := new(expvar.Map) // of a real program: expvar.NewMap, or what its metrics library has
	options := inPod(&entra)  // in a pod: &credential.Options{}
	options.OnExchange = func(e credential.ExchangeEvent) {
		counts.Add("exchanges", 1)
		counts.AddFloat("seconds", e.Duration.Seconds())
		if e.Err != nil {
			counts.Add("failures", 1)
		}
	}
	cred, err := credential.New(options)
	if err != nil {
		log.Fatal(err)
	}
	for _, scope := range []string{"https://vault.azure.net/.default", "https://storage.azure.com/.default", "https://vault.azure.net/.default"} {
		if _, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope}}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(counts.Get("exchanges"), "exchanges, failures:", counts.Get("failures"))
	// Output: 2 exchanges, failures: <nil>
}

// A logger is told of exchanges, of failures and of retries, and of no token.
func ExampleOptions_logger() {
	var entra entratest.Server
	options := inPod(&entra) // in a pod: &credential.Options{}
	options.Logger = slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Value.Kind() == slog.KindTime || a.Value.Kind() == slog.KindDuration || strings.HasSuffix(a.Key, "_id") {
				return slog.Attr{} // so that this example prints the same each time
			}
			return a
		},
	}))
	cred, err := credential.New(options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	if err != nil {
		log.Fatal(err)
	}
	// Output: level=INFO msg="entrafed: exchange" tenant=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee scopes=[https://vault.azure.net/.default] attempts=1
}
