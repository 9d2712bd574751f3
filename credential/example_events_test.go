package credential_test

import (
	"context"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// One call per finished exchange is enough for metrics. The credential does not wait for the hook,
// so the example does.
func ExampleExchangeEvent() {
	var entra entratest.Server
	var reported sync.WaitGroup
	reported.Add(2)
	counts := new(expvar.Map) // in a program: expvar.NewMap, or a metrics library
	options := inPod(&entra)  // in a pod: &credential.Options{}
	options.OnExchange = func(e credential.ExchangeEvent) {
		defer reported.Done()
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
	reported.Wait()
	fmt.Println(counts.Get("exchanges"), "exchanges, failures:", counts.Get("failures"))
	// Output: 2 exchanges, failures: <nil>
}

// logLines is a log writer that an example can wait for.
type logLines chan string

func (l logLines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A logger receives exchanges, failures and retries, but no token. The credential does not wait for
// it, so the example does.
func ExampleOptions_logger() {
	var entra entratest.Server
	logged := make(logLines) // in a program: os.Stderr
	options := inPod(&entra) // in a pod: &credential.Options{}
	options.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Value.Kind() == slog.KindTime || a.Value.Kind() == slog.KindDuration || strings.HasSuffix(a.Key, "_id") {
				return slog.Attr{} // so that the output is always the same
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
	fmt.Print(<-logged)
	// Output: level=INFO msg="entrafed: exchange" tenant=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee scopes=[https://vault.azure.net/.default] attempts=1
}
