package credential_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// listen records the events and the log of the rig's credential.
func (r *rig) listen() (events *[]credential.ExchangeEvent, log *bytes.Buffer) {
	events, log = new([]credential.ExchangeEvent), new(bytes.Buffer)
	var mu sync.Mutex
	r.options.OnExchange = func(e credential.ExchangeEvent) {
		mu.Lock()
		defer mu.Unlock()
		*events = append(*events, e)
	}
	r.options.Logger = slog.New(slog.NewJSONHandler(log, nil))
	return events, log
}

// lines returns the log records, each as LEVEL MESSAGE.
func lines(t *testing.T, log *bytes.Buffer) []string {
	var all []string
	for line := range strings.Lines(log.String()) {
		var record struct{ Level, Msg string }
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		all = append(all, record.Level+" "+record.Msg)
	}
	return all
}

func TestOneEventPerFinishedExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		events, log := r.listen()
		r.Entra.SetDelay(time.Second)
		c := r.credential(t)
		options := policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true}
		start := time.Now()
		token := get(t, c, options)
		for range 10 {
			get(t, c, options)
		}
		synctest.Wait()
		require.Equal(t, []credential.ExchangeEvent{{
			TenantID: tenantID, ClientID: clientID, Grant: "client_credentials", Scopes: []string{vault}, EnableCAE: true,
			CorrelationID: r.Entra.Requests()[0].CorrelationID, Start: start, Duration: time.Second, Attempts: 1, ExpiresOn: token.ExpiresOn,
		}}, *events)
		require.Equal(t, []string{"INFO entrafed: exchange"}, lines(t, log))
	})
}

func TestEventsNameTheKindOfExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		events, log := r.listen()
		c := r.credential(t)
		first := get(t, c, scope(vault))
		synctest.Wait() // events of different exchanges have no order
		get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, Claims: "{}"})
		time.Sleep(time.Until(first.RefreshOn.Add(20 * time.Minute)))
		r.Entra.SetReply(new(entratest.Unavailable(time.Minute)))
		get(t, c, scope(vault))
		synctest.Wait()
		require.Len(t, *events, 3)
		require.True(t, (*events)[1].Challenge)
		require.True(t, (*events)[2].Background)
		require.Error(t, (*events)[2].Err)
		require.Zero(t, (*events)[2].ExpiresOn)
		require.Equal(t, []string{"INFO entrafed: exchange", "INFO entrafed: exchange", "WARN entrafed: throttled"}, lines(t, log))
		require.Contains(t, log.String(), `"retry_after":60000000000`)
	})
}

func TestLogLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		_, log := r.listen()
		r.Entra.Enqueue(entratest.Refuse(700213), entratest.Refuse(700016))
		c := r.credential(t)
		_, err := c.GetToken(t.Context(), scope(vault))
		require.Error(t, err)
		time.Sleep(time.Minute)
		first := get(t, c, scope(vault))
		r.refusals(700016)
		time.Sleep(time.Until(first.RefreshOn))
		get(t, c, scope(vault))
		synctest.Wait()
		require.Equal(t, []string{
			"INFO entrafed: retrying a refusal that may clear up",
			"ERROR entrafed: exchange failed",
			"INFO entrafed: exchange",
			"WARN entrafed: background exchange failed",
		}, lines(t, log))
	})
}

// A hook can delay or lose only its own event: the token is stored first.
func TestHookDelaysOrLosesOnlyItsOwnEvent(t *testing.T) {
	misdeeds := map[string]func(c *credential.Credential, release chan struct{}){
		"blocks": func(_ *credential.Credential, release chan struct{}) { <-release },
		"panics": func(*credential.Credential, chan struct{}) { panic("in a hook") },
		"asks for the same token": func(c *credential.Credential, _ chan struct{}) {
			_, _ = c.GetToken(context.Background(), scope(vault))
		},
	}
	hooks := map[string]func(r *rig, misdeed func()){
		"OnExchange": func(r *rig, misdeed func()) {
			r.options.OnExchange = func(credential.ExchangeEvent) { misdeed() }
		},
		"Logger": func(r *rig, misdeed func()) { r.options.Logger = slog.New(hookedHandler(misdeed)) },
		"the end of a span": func(r *rig, misdeed func()) {
			r.options.TracingProvider = tracing.NewProvider(func(string, string) tracing.Tracer {
				return tracing.NewTracer(func(ctx context.Context, _ string, _ *tracing.SpanOptions) (context.Context, tracing.Span) {
					return ctx, tracing.NewSpan(tracing.SpanImpl{End: misdeed, SetAttributes: func(...tracing.Attribute) { misdeed() }})
				}, nil)
			}, nil)
		},
	}
	for at, hook := range hooks {
		for what, misdeed := range misdeeds {
			for outcome, codes := range map[string][]int{"success": nil, "retried": {700213}, "failure": {700016}} {
				t.Run(at+" "+what+", "+outcome, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r, release := newBareRig(t), make(chan struct{})
						var c *credential.Credential
						hook(r, func() { misdeed(c, release) })
						for _, code := range codes {
							r.Entra.Enqueue(entratest.Refuse(code))
						}
						c = r.credential(t)
						start := time.Now()
						_, err := c.GetToken(t.Context(), scope(vault))
						require.Equal(t, outcome == "failure", err != nil, err)
						if err != nil {
							require.NotContains(t, err.Error(), "hook")
						}
						require.Less(t, time.Since(start), 2*time.Second, "no longer than the retry takes")
						get(t, c, scope(storage))
						close(release)
						time.Sleep(time.Minute)
					})
				})
			}
		}
	}
}

// hookedHandler is a log handler that calls a function instead of logging.
type hookedHandler func()

func (hookedHandler) Enabled(context.Context, slog.Level) bool    { return true }
func (h hookedHandler) Handle(context.Context, slog.Record) error { h(); return nil }
func (h hookedHandler) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h hookedHandler) WithGroup(string) slog.Handler             { return h }

func TestPrefetchStartsExchangesAndWaitsForNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		events, _ := r.listen()
		r.Entra.SetDelay(time.Second)
		c := r.credential(t)
		start := time.Now()
		require.NoError(t, c.Prefetch(scope(vault), scope(storage), scope(vault)))
		require.Zero(t, time.Since(start))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, r.Entra.Requests(), 2)
		require.True(t, (*events)[0].Background)

		get(t, c, scope(vault))
		require.NoError(t, c.Prefetch(scope(vault)))
		require.Equal(t, time.Second, time.Since(start))
		require.Len(t, r.Entra.Requests(), 2, "a cached token is not fetched again")
	})
}

func TestPrefetchReportsInvalidRequests(t *testing.T) {
	r := newRig(t)
	err := r.credential(t).Prefetch(scope(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: "other"})
	require.ErrorContains(t, err, "at least one scope is required")
	require.ErrorContains(t, err, `"other" is not allowed`)
	require.Empty(t, r.Entra.Requests())
}

func TestPrefetchHeedsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.refusals(700016)
		c := r.credential(t)
		for range 10 {
			require.NoError(t, c.Prefetch(scope(vault)))
			synctest.Wait()
		}
		require.Len(t, r.Entra.Requests(), 1)
	})
}

func TestStatusShowsEachKeysState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		c := r.credential(t)
		require.Empty(t, c.Status())
		token := get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true})
		require.Equal(t, []credential.KeyStatus{{ClientID: clientID, Grant: "client_credentials", TenantID: tenantID, Scopes: []string{vault}, EnableCAE: true, CAE: true, ExpiresOn: token.ExpiresOn, RefreshOn: token.RefreshOn}}, c.Status())
		require.True(t, c.Status()[0].Ready())

		r.refusals(700016)
		_, err := c.GetToken(t.Context(), scope(storage))
		require.Error(t, err)
		failed := c.Status()[0]
		require.Equal(t, []string{storage}, failed.Scopes, "ordered by scope")
		require.False(t, failed.Ready())
		require.Equal(t, "unauthorized_client", failed.Code)
		require.Equal(t, []int{700016}, failed.EntraCodes)
		require.Contains(t, failed.LastError, "AADSTS700016")
		require.Equal(t, time.Now().UTC(), failed.FailedAt.UTC())
		require.True(t, failed.NextAttempt.After(time.Now()))

		r.Entra.SetReply(&entratest.Reply{Hang: true})
		go func() { _, _ = c.GetToken(context.Background(), scope("hanging/.default")) }()
		synctest.Wait()
		require.True(t, c.Status()[0].InFlight)
		require.Equal(t, "waiting for a reply from login.microsoftonline.com", c.Status()[0].Doing)
		time.Sleep(time.Minute)
	})
}

func TestStatusMarshalsToJSONWithoutSecrets(t *testing.T) {
	r := newRig(t)
	c := r.credential(t)
	token := get(t, c, scope(vault))
	data, err := json.Marshal(c.Status())
	require.NoError(t, err)
	require.NotContains(t, string(data), token.Token)
	require.Contains(t, string(data), `"scopes":["https://vault.azure.net/.default"],"cae":false,"expiresOn":"20`)
}

func ExampleCredential_Status() {
	var entra entratest.Server // Entra ID in a test
	options := credential.Options{ClientID: clientID, TenantID: tenantID, Assertion: func(context.Context) (string, error) {
		return new(entratest.Cluster).Token(entratest.TokenRequest{})
	}}
	options.Transport = &entra
	cred, err := credential.New(&options)
	if err != nil {
		panic(err)
	}
	_, _ = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	for _, key := range cred.Status() {
		fmt.Println(key.Scopes, "ready:", key.Ready(), key.LastError)
	}
	// Output: [https://vault.azure.net/.default] ready: true
}

func TestExchangeThatPanicsIsReportedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		events, log := r.listen()
		r.options.TokenFilePath = ""
		r.options.Assertion = func(context.Context) (string, error) { panic("in the source") }
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "panicked at")
		synctest.Wait()
		require.Len(t, *events, 1)
		require.ErrorContains(t, (*events)[0].Err, "panicked")
		require.Equal(t, []string{"ERROR entrafed: exchange failed"}, lines(t, log))
	})
}

func TestAbandonedExchangeIsReportedOnceAndInTime(t *testing.T) {
	for name, row := range map[string]struct {
		ignoring func(r *rig, release <-chan struct{})
		want     string
		attempts int
	}{
		"source": {func(r *rig, release <-chan struct{}) {
			token := r.Projection.Token()
			r.options.TokenFilePath, r.options.Assertion = "", func(context.Context) (string, error) { <-release; return token, nil }
		}, "abandoned after 30s while reading Options.Assertion", 0},
		"transport": {func(r *rig, release <-chan struct{}) {
			r.options.Transport = transportFunc(func(req *http.Request) (*http.Response, error) { <-release; return r.Entra.Do(req) })
		}, "abandoned after 30s while waiting for a reply from login.microsoftonline.com", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				events, log := r.listen()
				release := make(chan struct{})
				row.ignoring(r, release)
				_, err := r.credential(t).GetToken(t.Context(), scope(vault))
				require.ErrorContains(t, err, row.want)
				synctest.Wait()
				told := func() {
					require.Len(t, *events, 1)
					event := (*events)[0]
					require.ErrorContains(t, event.Err, row.want)
					require.InDelta(t, 30, event.Duration.Seconds(), 0.2)
					require.Equal(t, row.attempts, event.Attempts)
					require.Equal(t, []string{"ERROR entrafed: exchange failed"}, lines(t, log))
				}
				told()
				close(release)
				synctest.Wait()
				told() // its late result is not reported
			})
		})
	}
}

func TestPanickingHookOfAnAbandonedExchangeFailsNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.TokenFilePath, r.options.Assertion = "", func(context.Context) (string, error) { time.Sleep(time.Minute); return "", nil }
		r.options.OnExchange = func(credential.ExchangeEvent) { panic("in a hook") }
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "abandoned")
		time.Sleep(time.Minute)
	})
}

func TestBackgroundMeansThatNobodyWaitedAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		events, log := r.listen()
		r.Entra.SetDelay(time.Second)
		r.refusals(700016)
		c := r.credential(t)
		require.NoError(t, c.Prefetch(scope(vault)))
		_, err := c.GetToken(t.Context(), scope(vault)) // joins it
		require.Error(t, err)
		synctest.Wait()
		require.Len(t, *events, 1)
		require.True(t, (*events)[0].Background)
		require.Equal(t, []string{"WARN entrafed: background exchange failed"}, lines(t, log))
	})
}

// A hook may keep and change its event while the logger writes (go test -race).
func TestEventSharesNoMemoryWithTheLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		_, _ = r.listen()
		r.options.OnExchange = func(e credential.ExchangeEvent) { slices.Sort(e.Scopes) }
		get(t, r.credential(t), scope("https://vault.azure.net/b/.default", "https://vault.azure.net/a/.default"))
		synctest.Wait()
	})
}
