package credential_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestColdStartIsExactlyOneRequest(t *testing.T) {
	r := newRig(t)
	get(t, r.credential(t), scope(vault))
	require.Len(t, r.Entra.Requests(), 1)
	require.Equal(t, entratest.KindToken, r.Entra.Requests()[0].Kind)
}

func TestTokensAreCachedByTenantScopesAndCAE(t *testing.T) {
	r := newRig(t)
	c := r.credential(t)
	seen := map[string]bool{}
	for _, options := range []policy.TokenRequestOptions{
		scope(vault), scope(storage), {Scopes: []string{vault}, EnableCAE: true}, scope(vault, "https://vault.azure.net/other/.default"),
	} {
		token := get(t, c, options).Token
		require.Equal(t, token, get(t, c, options).Token)
		seen[token] = true
	}
	require.Len(t, seen, 4)
	require.Len(t, r.Entra.Requests(), 4)
}

func TestScopesGoOutAsTheyAre(t *testing.T) {
	r := newRig(t)
	get(t, r.credential(t), scope("https://graph.example//.default", "openid"))
	require.Equal(t, "https://graph.example//.default openid", r.Entra.Requests()[0].Scope)
}

func TestScopeIsRequired(t *testing.T) {
	r := newRig(t)
	for _, options := range []policy.TokenRequestOptions{{}, scope(""), scope(" ", "")} {
		_, err := r.credential(t).GetToken(t.Context(), options)
		require.ErrorContains(t, err, "at least one scope is required")
	}
	require.Empty(t, r.Entra.Requests())
}

func TestTwentyFourHoursOfATokensLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		c := r.credential(t)
		for minute := range 24 * 60 {
			start := time.Now()
			token := get(t, c, scope(vault))
			require.True(t, token.ExpiresOn.After(start))
			require.True(t, token.RefreshOn.Before(token.ExpiresOn))
			if minute%48 == 47 { // more often than the kubelet would
				require.NoError(t, r.Projection.Rotate())
			}
			time.Sleep(time.Minute)
		}
		require.InDelta(t, 24*60/26, len(r.Entra.Requests()), 10)
	})
}

func TestTheFileIsReadAtEachExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		c := r.credential(t)
		get(t, c, scope(vault))
		before := r.Projection.Token()
		require.NoError(t, r.Projection.Rotate())
		get(t, c, scope(storage))
		requests := r.Entra.Requests()
		require.Equal(t, before, requests[0].Assertion)
		require.Equal(t, r.Projection.Token(), requests[1].Assertion)
		require.NotEqual(t, before, r.Projection.Token())
	})
}

func TestAssertionOptionIsAskedAtEachExchange(t *testing.T) {
	r := newRig(t)
	calls := 0
	r.options.TokenFilePath = ""
	r.options.Assertion = func(context.Context) (string, error) {
		calls++
		return "\n" + r.Projection.Token() + "\n", nil
	}
	c := r.credential(t)
	get(t, c, scope(vault))
	get(t, c, scope(vault))
	get(t, c, scope(storage))
	require.Equal(t, 2, calls)
	require.Equal(t, r.Projection.Token(), r.Entra.Requests()[0].Assertion)
}

func TestFailureOfTheAssertionOptionIsNamed(t *testing.T) {
	broken := errors.New("metadata service is down")
	for name, row := range map[string]struct {
		assertion func(context.Context) (string, error)
		want      string
	}{
		"error": {func(context.Context) (string, error) { return "", broken }, "Options.Assertion: metadata service is down"},
		"leak": {func(context.Context) (string, error) {
			return "", errors.New("cannot parse eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl")
		}, "Options.Assertion: cannot parse [redacted]"},
		"empty": {func(context.Context) (string, error) { return " \n", nil }, "Options.Assertion returned an empty token"},
		"panic": {func(context.Context) (string, error) { panic(broken) }, "panicked at"},
		"exit":  {func(context.Context) (string, error) { runtime.Goexit(); return "", nil }, "Goexit"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.options.TokenFilePath, r.options.Assertion = "", row.assertion
			_, err := r.credential(t).GetToken(t.Context(), scope(vault))
			require.ErrorContains(t, err, row.want)
			if name == "error" {
				require.ErrorIs(t, err, broken)
			}
			require.Empty(t, r.Entra.Requests())
		})
	}
}

func TestThousandCallersOfOneColdKeyMakeOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.SetDelay(50 * time.Millisecond)
		c := r.credential(t)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { _, _ = c.GetToken(t.Context(), scope(vault)) })
		}
		wg.Wait()
		require.Len(t, r.Entra.Requests(), 1)
	})
}

func TestHundredColdKeysTakeOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.SetDelay(50 * time.Millisecond)
		c := r.credential(t)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { _, _ = c.GetToken(t.Context(), scope(fmt.Sprintf("https://r%d.example/.default", i%100))) })
		}
		wg.Wait()
		require.Len(t, r.Entra.Requests(), 100)
		require.Less(t, time.Since(start), 200*time.Millisecond)
	})
}

func TestCachedKeyIsServedWhileAnotherHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		c := r.credential(t)
		get(t, c, scope(vault))
		r.Entra.SetReply(&entratest.Reply{Hang: true})
		go func() { _, _ = c.GetToken(context.Background(), scope(storage)) }()
		synctest.Wait()
		start := time.Now()
		get(t, c, scope(vault))
		require.Zero(t, time.Since(start))
		time.Sleep(cache.DefaultTimeout)
	})
}

func TestOutageIsNotNoticedWhileTheTokenIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.Lifetime, r.Entra.RefreshIn = 24*time.Hour, 12*time.Hour
		c := r.credential(t)
		first := get(t, c, scope(vault))
		time.Sleep(time.Until(first.RefreshOn))
		r.Entra.SetReply(new(entratest.Unavailable(0)))
		for range 3 {
			start := time.Now()
			require.Equal(t, first.Token, get(t, c, scope(vault)).Token)
			require.Zero(t, time.Since(start))
		}
		synctest.Wait()
		require.Len(t, r.Entra.Requests(), 2)
		time.Sleep(time.Minute)
	})
}

func TestRetryAfterIsRememberedAndShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.SetReply(new(entratest.Throttle(300 * time.Second)))
		c := r.credential(t)
		start := time.Now()
		for range 3 {
			_, err := c.GetToken(t.Context(), scope(vault))
			e, ok := errors.AsType[*exchange.Error](err)
			require.True(t, ok)
			require.Equal(t, 429, e.StatusCode)
			require.Equal(t, 300*time.Second, e.RetryAfter)
		}
		_, err := c.GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "next attempt at 2000-01-01 00:05:")
		require.Zero(t, time.Since(start), "nobody waits out the pause")
		require.Len(t, r.Entra.Requests(), 1)
	})
}

// pauseAfter returns the pause before the next attempt for the key after the reply fails an
// exchange.
func (r *rig) pauseAfter(t *testing.T, reply entratest.Reply) time.Duration {
	t.Helper()
	r.Entra.SetReply(&reply)
	c := r.credential(t)
	_, err := c.GetToken(t.Context(), scope(vault))
	require.Error(t, err)
	key := c.Status()[0]
	return key.NextAttempt.Sub(key.FailedAt)
}

func TestRetryAfterCountsWith429And503Only(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		for status, counts := range map[int]bool{429: true, 503: true, 200: false, 307: false, 400: false, 401: false, 408: false, 500: false, 502: false, 504: false} {
			pause := r.pauseAfter(t, entratest.Reply{Status: status, Header: http.Header{"Retry-After": {"60"}}})
			if counts {
				require.InDelta(t, 66, pause.Seconds(), 6, status)
			} else {
				require.LessOrEqual(t, pause, 2*time.Second, status)
			}
		}
	})
}

func TestPausesOfAThrottledFleetAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		shortest, longest := time.Hour, time.Duration(0)
		for range 200 {
			pause := r.pauseAfter(t, entratest.Throttle(5*time.Minute))
			shortest, longest = min(shortest, pause), max(longest, pause)
		}
		require.GreaterOrEqual(t, shortest, 5*time.Minute)
		require.LessOrEqual(t, longest, 6*time.Minute)
		require.GreaterOrEqual(t, longest-shortest, 30*time.Second)
	})
}

func TestRejectedExchangeSaysWhatWasPresented(t *testing.T) {
	r := newRig(t)
	r.Entra.SetReply(new(entratest.Refuse(700016)))
	_, err := r.credential(t).GetToken(t.Context(), scope(vault))
	e, ok := errors.AsType[*exchange.Error](err)
	require.True(t, ok)
	require.Equal(t, []int{700016}, e.EntraCodes)
	for _, want := range []string{
		clientID, tenantID, vault, entratest.DefaultIssuer, "system:serviceaccount:shop:orders", "api://AzureADTokenExchange", "expiry 20",
		"AADSTS700016", "unauthorized_client", "was not found in the directory", e.CorrelationID, e.TraceID,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "\n")
	require.Less(t, len(err.Error()), 2000)
}

func TestErrorIsBoundedForAnyRequest(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, options := range map[string]policy.TokenRequestOptions{
		"scope":         scope(long),
		"scopes":        {Scopes: slices.Repeat([]string{vault}, 1<<15)},
		"tenant":        {Scopes: []string{vault}, TenantID: long},
		"scope refused": scope("https://" + long + "/.default"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Entra.SetReply(new(entratest.Refuse(500011)))
			_, err := r.credential(t).GetToken(t.Context(), options)
			require.ErrorContains(t, err, clientID)
			require.Less(t, len(err.Error()), 8192)
			require.Less(t, len(fmt.Sprintf("%+v", err)), 8192)
		})
	}
}

func TestErrorsStopAzcoresRetries(t *testing.T) {
	r := newRig(t)
	c := r.credential(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"no scope":      func() error { _, err := c.GetToken(t.Context(), scope()); return err },
		"other tenant":  func() error { _, err := c.GetToken(t.Context(), policy.TokenRequestOptions{TenantID: "x"}); return err },
		"ended context": func() error { _, err := c.GetToken(ended, scope(vault)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var nonRetriable interface {
				error
				NonRetriable()
			}
			require.ErrorAs(t, call(), &nonRetriable)
		})
	}
}

func TestCausesOfErrorsAreReached(t *testing.T) {
	r := newRig(t)
	r.options.TokenFilePath = "/does/not/exist"
	_, err := r.credential(t).GetToken(t.Context(), scope(vault))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "/does/not/exist")

	r = newRig(t)
	r.options.Retry.MaxRetries = -1
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	r.Entra.SetReply(&entratest.Reply{Err: refused})
	_, err = r.credential(t).GetToken(t.Context(), scope(vault))
	var opError *net.OpError
	require.ErrorAs(t, err, &opError)
	require.ErrorContains(t, err, "login.microsoftonline.com")
}

func TestBrokenFileCostsNoValidToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.TokenFilePath = writeFile(t, r.Projection.Token())
		c := r.credential(t)
		first := get(t, c, scope(vault))
		writeOver(t, r.options.TokenFilePath, "junk")
		time.Sleep(time.Until(first.RefreshOn))
		require.Equal(t, first.Token, get(t, c, scope(vault)).Token)
		time.Sleep(time.Second)
		require.Equal(t, first.Token, get(t, c, scope(vault)).Token)
		time.Sleep(time.Until(first.ExpiresOn))
		_, err := c.GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, r.options.TokenFilePath)
		require.NotContains(t, err.Error(), "junk")
	})
}

func TestCallersDeadlineNamesWhatTheExchangeWasDoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.SetReply(&entratest.Reply{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := r.credential(t).GetToken(ctx, scope(vault))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "waiting for a reply from login.microsoftonline.com")
		require.Equal(t, 100*time.Millisecond, time.Since(start))
		time.Sleep(cache.DefaultTimeout)
		synctest.Wait()
	})
}

func TestOneCallersHeadersAndRetriesDoNotReachTheSharedExchange(t *testing.T) {
	r := newRig(t)
	header := map[string][]string{"X-Callers-Own": {"1"}}
	ctx := policy.WithHTTPHeader(t.Context(), header)
	_, err := r.credential(t).GetToken(ctx, scope(vault))
	require.NoError(t, err)
	require.Empty(t, r.Entra.Requests()[0].Header.Get("X-Callers-Own"))
}

func TestChallengeBypassesTheCacheAndReplacesTheToken(t *testing.T) {
	r := newRig(t)
	c := r.credential(t)
	options := policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true}
	first := get(t, c, options)
	challenge := options
	challenge.Claims = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`
	second := get(t, c, challenge)
	require.NotEqual(t, first.Token, second.Token)
	require.Equal(t, second.Token, get(t, c, options).Token)
	require.JSONEq(t, `{"access_token":{"xms_cc":{"values":["CP1"]}}}`, r.Entra.Requests()[0].Claims)
	require.JSONEq(t, `{"access_token":{"nbf":{"essential":true,"value":"1700000000"},"xms_cc":{"values":["CP1"]}}}`, r.Entra.Requests()[1].Claims)
}

func TestInvalidatedTokenIsReplaced(t *testing.T) {
	r := newRig(t)
	c := r.credential(t)
	first := get(t, c, scope(vault))
	c.Invalidate(first.Token)
	second := get(t, c, scope(vault))
	require.NotEqual(t, first.Token, second.Token)
	c.Invalidate(first.Token)
	require.Equal(t, second.Token, get(t, c, scope(vault)).Token)
}

func TestRefreshesOfAFleetAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.Lifetime, r.Entra.RefreshIn = 24*time.Hour, 12*time.Hour
		earliest, latest := 24*time.Hour, time.Duration(0)
		for range 200 {
			in := time.Until(get(t, r.credential(t), scope(vault)).RefreshOn)
			earliest, latest = min(earliest, in), max(latest, in)
		}
		require.LessOrEqual(t, latest, 12*time.Hour)
		require.GreaterOrEqual(t, latest-earliest, 12*time.Hour/5)
	})
}

func TestMaxTokensBoundsTheCache(t *testing.T) {
	r := newRig(t)
	r.options.MaxTokens = 2
	c := r.credential(t)
	a, b := get(t, c, scope("a/.default")), get(t, c, scope("b/.default"))
	get(t, c, scope("a/.default"))
	get(t, c, scope("c/.default"))
	require.Equal(t, a, get(t, c, scope("a/.default")), "used after b")
	require.NotEqual(t, b, get(t, c, scope("b/.default")))
}

func TestNoGoroutineIsLeftAfterAHangingEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.SetReply(&entratest.Reply{Hang: true})
		c := r.credential(t)
		synctest.Wait()
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.GetToken(ctx, scope(vault))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(cache.DefaultTimeout)
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), before)
	})
}

func TestCredentialPrintsNothingThatItHolds(t *testing.T) {
	r := newRig(t)
	c := r.credential(t)
	get(t, c, scope(vault))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		require.Equal(t, fmt.Sprintf("credential for client ID %q in tenant %q", clientID, tenantID), fmt.Sprintf(verb, c))
	}
}

func TestNoErrorHoldsTheAssertion(t *testing.T) {
	r := newRig(t)
	signature := r.Projection.Token()[strings.LastIndex(r.Projection.Token(), ".")+1:]
	r.Entra.SetReply(&entratest.Reply{Status: 400, Body: `{"error":"invalid_client","error_description":"AADSTS50027: bad ` + r.Projection.Token() + ` and ` + signature[100:140] + `"}`})
	_, err := r.credential(t).GetToken(t.Context(), scope(vault))
	for _, text := range []string{fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		for i := 0; i+8 <= len(signature); i++ {
			require.False(t, strings.Contains(text, signature[i:i+8]))
		}
	}
	require.ErrorContains(t, err, "AADSTS50027: bad [redacted] and [redacted]")
}

func TestExchangeThatTakesTooLongDoesNotReadAsIfTheCallerHadEnded(t *testing.T) {
	for name, row := range map[string]struct {
		hang func(*rig)
		want string
	}{
		"endpoint": {
			func(r *rig) { r.Entra.SetReply(&entratest.Reply{Hang: true}) },
			": no token from login.microsoftonline.com within 30s: exchange: POST https://login.microsoftonline.com/",
		},
		"source": {
			func(r *rig) {
				r.options.TokenFilePath, r.options.Assertion = "", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
			},
			": no federated token from Options.Assertion within 30s: Options.Assertion: ",
		},
		"source that ignores its context": {
			func(r *rig) {
				r.options.TokenFilePath, r.options.Assertion = "", func(context.Context) (string, error) { time.Sleep(time.Minute); return "", nil }
			},
			": the exchange was abandoned after 30s while reading Options.Assertion: ",
		},
		"source that heeds its context late": {
			func(r *rig) {
				r.options.TokenFilePath, r.options.Assertion = "", func(context.Context) (string, error) { time.Sleep(30*time.Second + 1); return "x", nil }
			},
			": no federated token from Options.Assertion within 30s: context deadline exceeded",
		},
		"reply that does not end": {
			func(r *rig) {
				r.options.Transport = transportFunc(func(req *http.Request) (*http.Response, error) {
					body, end := io.Pipe()
					context.AfterFunc(req.Context(), func() { end.CloseWithError(req.Context().Err()) })
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: req}, nil
				})
			},
			": no complete reply within 10.5s: ",
		},
		"endpoint, after a refusal": {
			func(r *rig) {
				r.Entra.Enqueue(entratest.Refuse(700213))
				r.Entra.SetReply(&entratest.Reply{Hang: true})
			},
			"; then: no token from login.microsoftonline.com within 2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				row.hang(r)
				c := r.credential(t)
				_, err := c.GetToken(context.Background(), scope(vault))
				require.ErrorContains(t, err, row.want)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				synctest.Wait()
				require.Contains(t, c.Status()[0].LastError, strings.TrimPrefix(row.want, ": "))
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestForeignErrorsAreOneLineEverywhere(t *testing.T) {
	forged := errors.New("down\nlevel=ERROR msg=forged")
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(forged)
	for name, row := range map[string]struct {
		ctx  context.Context
		bend func(*rig)
	}{
		"source": {context.Background(), func(r *rig) {
			r.options.TokenFilePath, r.options.Assertion = "", func(context.Context) (string, error) { return "", errors.Join(errors.New("both"), forged) }
		}},
		"transport": {context.Background(), func(r *rig) { r.Entra.SetReply(&entratest.Reply{Err: forged}) }},
		"policy": {context.Background(), func(r *rig) {
			r.options.PerCallPolicies = []policy.Policy{policyFunc(func(*policy.Request) (*http.Response, error) { return nil, forged })}
		}},
		"cause": {ended, func(*rig) {}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				r.options.Retry.MaxRetries = -1
				events, _ := r.listen()
				spans := r.traced()
				row.bend(r)
				c := r.credential(t)
				_, err := c.GetToken(row.ctx, scope(vault))
				require.ErrorIs(t, err, forged)
				synctest.Wait()
				texts := []string{err.Error(), errors.Unwrap(err).Error()}
				for _, event := range *events {
					require.ErrorIs(t, event.Err, forged)
					texts = append(texts, event.Err.Error())
				}
				for _, status := range c.Status() {
					texts = append(texts, status.LastError)
				}
				for _, s := range append(spans.named("entrafed.Exchange"), spans.named("entrafed.GetToken")...) {
					texts = append(texts, s.statusText)
				}
				for _, text := range texts {
					require.Contains(t, text, "down level=ERROR msg=forged")
				}
				if row.ctx != ended {
					require.GreaterOrEqual(t, len(texts), 5)
				}
			})
		})
	}
}

func TestTokenGivenByMistakeIsShownNowhere(t *testing.T) {
	const signature = "c2lnbmF0dXJl"
	mistaken := "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0." + signature
	for name, options := range map[string]policy.TokenRequestOptions{
		"scope":           scope(vault, mistaken),
		"scope, in lines": scope(strings.ReplaceAll(mistaken, ".", "\n")),
		"tenant":          {Scopes: []string{vault}, TenantID: mistaken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				r.options.AdditionallyAllowedTenants = []string{"*"}
				events, log := r.listen()
				spans := r.traced()
				r.refusals(500011)
				c := r.credential(t)
				_, err := c.GetToken(t.Context(), options)
				require.Error(t, err)
				synctest.Wait()
				for what, text := range map[string]string{
					"error": err.Error(), "block": fmt.Sprintf("%+v", err), "credential": fmt.Sprint(c), "events": fmt.Sprintf("%+v", *events),
					"log": log.String(), "status": fmt.Sprintf("%+v", c.Status()),
					"spans": fmt.Sprint(spans.named("entrafed.GetToken")[0], spans.named("entrafed.Exchange")[0]),
				} {
					require.False(t, strings.Contains(strings.ToLower(text), strings.ToLower(signature)), what)
				}
				require.Contains(t, fmt.Sprintf("%+v", *events), "[redacted]")
			})
		})
	}
}
