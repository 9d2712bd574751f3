package credential_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// listen makes the rig's credential tell its events, and returns what it told.
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

// lines are what was logged, each as LEVEL MESSAGE.
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
		r.entra.SetDelay(time.Second)
		c := r.credential(t)
		options := policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true}
		start := time.Now()
		token := get(t, c, options)
		for range 10 {
			get(t, c, options)
		}
		require.Equal(t, []credential.ExchangeEvent{{
			TenantID: tenantID, ClientID: clientID, Scopes: []string{vault}, EnableCAE: true,
			CorrelationID: r.entra.Requests()[0].CorrelationID, Start: start, Duration: time.Second, Attempts: 1, ExpiresOn: token.ExpiresOn,
		}}, *events)
		require.Equal(t, []string{"INFO entrafed: exchange"}, lines(t, log))
	})
}

func TestEventsTellWhatKindOfExchangeItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		events, log := r.listen()
		c := r.credential(t)
		first := get(t, c, scope(vault))
		get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, Claims: "{}"})
		time.Sleep(time.Until(first.RefreshOn.Add(30 * time.Minute)))
		r.entra.SetReply(new(entratest.Unavailable(time.Minute)))
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
		r.entra.Enqueue(entratest.Refuse(700213), entratest.Refuse(700016))
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
			"INFO entrafed: retrying a refusal that may pass",
			"ERROR entrafed: exchange failed",
			"INFO entrafed: exchange",
			"WARN entrafed: background exchange failed",
		}, lines(t, log))
	})
}

func TestPanickingHookFailsTheExchangeAndNothingElse(t *testing.T) {
	r := newRig(t)
	r.options.OnExchange = func(e credential.ExchangeEvent) {
		if e.Scopes[0] == vault {
			panic("in a hook")
		}
	}
	c := r.credential(t)
	_, err := c.GetToken(t.Context(), scope(vault))
	require.ErrorContains(t, err, "panicked at")
	get(t, c, scope(storage))
}

func TestPrefetchStartsExchangesAndWaitsForNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		events, _ := r.listen()
		r.entra.SetDelay(time.Second)
		c := r.credential(t)
		start := time.Now()
		require.NoError(t, c.Prefetch(scope(vault), scope(storage), scope(vault)))
		require.Zero(t, time.Since(start))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, r.entra.Requests(), 2)
		require.True(t, (*events)[0].Background)

		get(t, c, scope(vault))
		require.NoError(t, c.Prefetch(scope(vault)))
		require.Equal(t, time.Second, time.Since(start))
		require.Len(t, r.entra.Requests(), 2, "what is cached is not fetched again")
	})
}

func TestPrefetchTellsOfRequestsThatCannotBeMade(t *testing.T) {
	r := newRig(t)
	err := r.credential(t).Prefetch(scope(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: "other"})
	require.ErrorContains(t, err, "at least one scope is required")
	require.ErrorContains(t, err, `"other" is not allowed`)
	require.Empty(t, r.entra.Requests())
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
		require.Len(t, r.entra.Requests(), 1)
	})
}

func TestStatusTellsEachKeysState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		c := r.credential(t)
		require.Empty(t, c.Status())
		token := get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true})
		require.Equal(t, []credential.KeyStatus{{TenantID: tenantID, Scopes: []string{vault}, CAE: true, ExpiresOn: token.ExpiresOn, RefreshOn: token.RefreshOn}}, c.Status())
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

		r.entra.SetReply(&entratest.Reply{Hang: true})
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

func TestExchangeThatPanicsIsToldOfToo(t *testing.T) {
	r := newRig(t)
	events, log := r.listen()
	r.options.TokenFilePath = ""
	r.options.Assertion = func(context.Context) (string, error) { panic("in the source") }
	_, err := r.credential(t).GetToken(t.Context(), scope(vault))
	require.ErrorContains(t, err, "panicked at")
	require.Len(t, *events, 1)
	require.ErrorContains(t, (*events)[0].Err, "panicked")
	require.Equal(t, []string{"ERROR entrafed: exchange failed"}, lines(t, log))
}

func TestAbandonedExchangeIsToldOfOnceAndInTime(t *testing.T) {
	for name, row := range map[string]struct {
		ignoring func(r *rig, release <-chan struct{})
		want     string
		attempts int
	}{
		"source": {func(r *rig, release <-chan struct{}) {
			token := r.file.Token()
			r.options.TokenFilePath, r.options.Assertion = "", func(context.Context) (string, error) { <-release; return token, nil }
		}, "abandoned after 30s while reading Options.Assertion", 0},
		"transport": {func(r *rig, release <-chan struct{}) {
			r.options.Transport = transportFunc(func(req *http.Request) (*http.Response, error) { <-release; return r.entra.Do(req) })
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
				told() // and of what it brings at last, nothing
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

func TestBackgroundTellsThatNobodyWaitedAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		events, log := r.listen()
		r.entra.SetDelay(time.Second)
		r.refusals(700016)
		c := r.credential(t)
		require.NoError(t, c.Prefetch(scope(vault)))
		_, err := c.GetToken(t.Context(), scope(vault)) // joins it
		require.Error(t, err)
		require.Len(t, *events, 1)
		require.True(t, (*events)[0].Background)
		require.Equal(t, []string{"WARN entrafed: background exchange failed"}, lines(t, log))
	})
}
