//go:build linux

package faults_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

func scopeOf(scope string) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{scope}}
}

// misbehaviour is code of the user's that an exchange runs into.
type misbehaviour func(context.Context)

func panics(value any) misbehaviour { return func(context.Context) { panic(value) } }

func nilDereference(context.Context) { _ = *(*[1]int)(nil) }

func goexit(context.Context) { runtime.Goexit() }

// hangs for longer than an exchange may take, and ignores its context.
func hangs(context.Context) { time.Sleep(landing - time.Second/2) }

func heeds(ctx context.Context) { <-ctx.Done() }

func naps(context.Context) { time.Sleep(10 * time.Second) }

// misbehaving is where that code is.
type misbehaving func(r *rig, bad func(context.Context))

func inAssertion(r *rig, bad func(context.Context)) {
	r.options.TokenFilePath = ""
	r.options.Assertion = func(ctx context.Context) (string, error) {
		bad(ctx)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return r.file.Token(), nil
	}
}

func inHook(r *rig, bad func(context.Context)) {
	r.options.OnExchange = func(e credential.ExchangeEvent) {
		if e.Scopes[0] == storage {
			bad(context.Background())
		}
	}
}

func inTransport(r *rig, bad func(context.Context)) {
	r.fault = func(req *http.Request) (*http.Response, error) {
		bad(req.Context())
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
		resp, err := r.entra.Do(req)
		if err == nil {
			r.learn(resp)
		}
		return resp, err
	}
}

func inPolicy(r *rig, bad func(context.Context)) {
	r.options.PerCallPolicies = append(r.options.PerCallPolicies, policyFunc(func(req *policy.Request) (*http.Response, error) {
		bad(req.Raw().Context())
		return req.Next()
	}))
}

func inBody(r *rig, bad func(context.Context)) {
	r.fault = func(req *http.Request) (*http.Response, error) {
		resp, err := r.entra.Do(req)
		if err == nil {
			r.learn(resp)
			resp.Body = io.NopCloser(io.MultiReader(readerFunc(func([]byte) (int, error) { bad(req.Context()); return 0, io.EOF }), resp.Body))
		}
		return resp, err
	}
}

func inLogger(r *rig, bad func(context.Context)) { r.options.Logger = slog.New(badHandler(bad)) }

type policyFunc func(*policy.Request) (*http.Response, error)

func (f policyFunc) Do(r *policy.Request) (*http.Response, error) { return f(r) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// badHandler handles what is about storage.
type badHandler func(context.Context)

func (badHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h badHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h badHandler) WithGroup(string) slog.Handler          { return h }
func (h badHandler) Handle(ctx context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "scopes" && strings.Contains(a.Value.String(), storage) {
			h(ctx)
		}
		return true
	})
	return nil
}

func TestMisbehaviour(t *testing.T) {
	anyOf := func(what ...misbehaviour) []misbehaviour { return what }
	secretPanic := misbehaviour(func(context.Context) { panic("assertion " + accessToken) })
	panicked := want{words: []string{"panicked"}, not: []string{"accessToken"}, waited: seconds(0, 0)}
	exited := want{words: []string{"Goexit"}, waited: seconds(0, 0)}
	abandoned := want{is: []error{context.DeadlineExceeded}, waited: seconds(30, 30.1)}
	waitedFor := want{token: true, waited: seconds(10, 10)}
	with := func(w want, requests int, shared bool) want {
		w.requests, w.sharedWithOther = requests, shared
		return w
	}
	for _, x := range []struct {
		name string
		in   misbehaving
		does []misbehaviour
		want
	}{
		{"Assertion panics", inAssertion, anyOf(panics("x"), panics(errors.New("x")), nilDereference, secretPanic), with(panicked, 0, true)},
		{"Assertion ends its goroutine", inAssertion, anyOf(goexit), with(exited, 0, true)},
		{"Assertion hangs", inAssertion, anyOf(hangs, heeds), with(abandoned, 0, true)},
		{"Assertion is slow", inAssertion, anyOf(naps), with(waitedFor, 1, true)},
		{"OnExchange panics", inHook, anyOf(panics("x"), nilDereference, secretPanic), with(panicked, 1, false)},
		{"OnExchange ends its goroutine", inHook, anyOf(goexit), with(exited, 1, false)},
		{"OnExchange hangs", inHook, anyOf(hangs), with(abandoned, 1, false)},
		{"OnExchange is slow", inHook, anyOf(naps), with(waitedFor, 1, false)},
		{"Transport panics", inTransport, anyOf(panics("x"), nilDereference, secretPanic), with(panicked, 1, false)},
		{"Transport ends its goroutine", inTransport, anyOf(goexit), with(exited, 1, false)},
		{"Transport hangs", inTransport, anyOf(hangs, heeds), with(abandoned, 1, false)},
		{"Transport is slow", inTransport, anyOf(naps), with(waitedFor, 1, false)},
		{"a body panics", inBody, anyOf(panics("x"), nilDereference, secretPanic), with(panicked, 1, false)},
		{"a body ends its goroutine", inBody, anyOf(goexit), with(exited, 1, false)},
		{"a policy panics", inPolicy, anyOf(panics("x")), with(panicked, 0, true)},
		{"a policy hangs", inPolicy, anyOf(hangs), with(abandoned, 0, true)},
		{"Logger's handler panics", inLogger, anyOf(panics("x"), secretPanic), with(panicked, 1, false)},
		{"Logger's handler ends its goroutine", inLogger, anyOf(goexit), with(exited, 1, false)},
		{"Logger's handler hangs", inLogger, anyOf(hangs), with(abandoned, 1, false)},
		{"Logger's handler is slow", inLogger, anyOf(naps), with(waitedFor, 1, false)},
	} {
		for i, does := range x.does {
			t.Run(x.name+strings.Repeat(" again", i), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, func(r *rig) {
						x.in(r, func(ctx context.Context) {
							if r.down.Load() {
								does(ctx)
							}
						})
					})
					drill{want: x.want, down: func() { r.down.Store(true) }, heal: func() { r.down.Store(false) }, sent: r.sent}.run(r)
				})
			})
		}
	}
}

// What Options.Assertion returns.
func TestAssertionFails(t *testing.T) {
	broken := errors.New("the metadata service is down")
	for _, x := range []struct {
		name      string
		assertion func() (string, error)
		want
	}{
		{"an error", func() (string, error) { return "", broken }, want{is: []error{broken}, words: []string{"Options.Assertion", "metadata service"}}},
		{"an error and a token", func() (string, error) { return accessToken, broken }, want{is: []error{broken}, words: []string{"Options.Assertion"}}},
		{"nothing", func() (string, error) { return "", nil }, want{words: []string{"Options.Assertion", "empty"}}},
		{"white space", func() (string, error) { return " \n", nil }, want{words: []string{"Options.Assertion", "empty"}}},
		{"cancelled", func() (string, error) { return "", context.Canceled }, want{is: []error{context.Canceled}, words: []string{"Options.Assertion"}}},
		{"no token", func() (string, error) { return "0123456789abcdef", nil }, want{status: 400, code: "invalid_request", codes: []int{50027}, requests: 1, words: []string{"not a JWT"}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(r *rig) {
					r.options.TokenFilePath = ""
					r.options.Assertion = func(context.Context) (string, error) {
						if r.down.Load() {
							return x.assertion()
						}
						return r.file.Token(), nil
					}
				})
				x.sharedWithOther = true
				drill{want: x.want, down: func() { r.down.Store(true) }, heal: func() { r.down.Store(false) }, sent: r.sent}.run(r)
			})
		})
	}
}

// scenes are callers whose contexts end, who are many, who ask for what cannot be had.
func TestCallers(t *testing.T) {
	cause := errors.New("the client hung up")
	timeout := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		time.AfterFunc(d+time.Second, cancel)
		return ctx
	}
	hanging := &entratest.Reply{Hang: true}
	delayed := func(r *rig, d time.Duration) { r.entra.SetDelay(d) }
	// many asks n times at once.
	many := func(r *rig, n int, ctx func(i int) context.Context, scope func(i int) string, check func(i int, token azcore.AccessToken, err error)) {
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				token, err := r.get(ctx(i), scope(i))
				check(i, token, err)
			})
		}
		all.Wait()
	}
	alive := func(int) context.Context { return context.Background() }
	one := func(int) string { return storage }

	for name, scene := range map[string]func(t *testing.T, r *rig){
		"cancelled before": func(t *testing.T, r *rig) {
			_, err := r.get(ended, storage)
			explained(t, err)
			assert.ErrorIs(t, err, context.Canceled)
			assert.Zero(t, r.sent(), "an ended context starts no flight")
			r.must(storage) // and leaves no trace
		},
		"deadline before": func(t *testing.T, r *rig) {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
			defer cancel()
			_, err := r.get(ctx, storage)
			explained(t, err)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Zero(t, r.sent())
		},
		"cancelled before, for a challenge": func(t *testing.T, r *rig) {
			_, err := r.ask(ended, policy.TokenRequestOptions{Scopes: []string{storage}, Claims: challenge})
			explained(t, err)
			assert.ErrorIs(t, err, context.Canceled)
			assert.Zero(t, r.sent())
		},
		"cancelled before, with a cached token": func(t *testing.T, r *rig) {
			token := r.must(storage)
			again, err := r.get(ended, storage)
			require.NoError(t, err)
			assert.Equal(t, token, again)
		},
		"cancelled before, with a stale token": func(t *testing.T, r *rig) {
			token := r.must(storage)
			time.Sleep(time.Until(token.RefreshOn))
			again, err := r.get(ended, storage)
			require.NoError(t, err)
			assert.Equal(t, token, again)
			synctest.Wait()
			assert.Equal(t, 1, r.sent(), "it starts no refresh")
		},
		"cancelled before, during back-off": func(t *testing.T, r *rig) {
			r.entra.Enqueue(entratest.Refuse(700016))
			_, first := r.get(t.Context(), storage)
			require.Error(t, first)
			_, err := r.get(ended, storage)
			explained(t, err)
			assert.ErrorContains(t, err, "AADSTS700016")
			assert.Equal(t, 1, r.sent())
		},
		"cancelled while it waits": func(t *testing.T, r *rig) {
			r.entra.SetReply(hanging)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			began := time.Now()
			_, err := r.get(ctx, storage)
			assert.Equal(t, time.Second, time.Since(began))
			explained(t, err)
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, cause)
			assert.ErrorContains(t, err, "waiting for a reply from login.microsoftonline.com")
		},
		"deadline while it waits; the exchange goes on": func(t *testing.T, r *rig) {
			delayed(r, 10*time.Second)
			_, err := r.get(timeout(time.Second), storage)
			explained(t, err)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			began := time.Now()
			r.must(storage)
			assert.Equal(t, 9*time.Second, time.Since(began))
			assert.Equal(t, 1, r.sent())
		},
		"deadline between retries: the last failure is told": func(t *testing.T, r *rig) {
			r.entra.SetReply(new(entratest.Refuse(700213)))
			_, err := r.get(timeout(500*time.Millisecond), storage)
			explained(t, err)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, "AADSTS700213")
			assert.ErrorContains(t, err, "to try again")
		},
		"deadline while the next exchange hangs: the last failure is told": func(t *testing.T, r *rig) {
			r.entra.Enqueue(entratest.Refuse(700016), *hanging)
			_, err := r.get(t.Context(), storage)
			require.Error(t, err)
			time.Sleep(2 * time.Second)
			_, err = r.get(timeout(time.Second), storage)
			explained(t, err)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, "AADSTS700016")
		},
		"deadline in the last seconds of a token": func(t *testing.T, r *rig) {
			r.entra.Enqueue(*hour(""))
			token := r.must(storage)
			time.Sleep(time.Until(token.ExpiresOn) - 4*time.Second)
			r.entra.SetReply(hanging)
			began := time.Now()
			_, _ = r.get(timeout(time.Second), storage) // the token or an error: DESIGN leaves it open
			assert.Equal(t, time.Second, time.Since(began))
			r.entra.SetReply(nil)
		},
		"the first caller leaves, the others stay": func(t *testing.T, r *rig) {
			delayed(r, 5*time.Second)
			many(r, 100, func(i int) context.Context {
				if i%2 == 0 {
					return timeout(time.Second)
				}
				return context.Background()
			}, one, func(i int, _ azcore.AccessToken, err error) {
				if i%2 == 0 {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
				} else {
					assert.NoError(t, err)
				}
			})
			assert.Equal(t, 1, r.sent())
		},
		"all callers leave": func(t *testing.T, r *rig) {
			delayed(r, 5*time.Second)
			many(r, 100, func(int) context.Context { return timeout(time.Second) }, one,
				func(_ int, _ azcore.AccessToken, err error) { assert.ErrorIs(t, err, context.DeadlineExceeded) })
			time.Sleep(4 * time.Second)
			synctest.Wait()
			_, err := r.get(ended, storage)
			assert.NoError(t, err, "what they started was finished")
			assert.Equal(t, 1, r.sent())
		},
		"a thousand callers, one exchange": func(t *testing.T, r *rig) {
			delayed(r, time.Second)
			var tokens sync.Map
			many(r, 1000, alive, one, func(_ int, token azcore.AccessToken, err error) {
				assert.NoError(t, err)
				tokens.Store(token, true)
			})
			n := 0
			tokens.Range(func(any, any) bool { n++; return true })
			assert.Equal(t, 1, n)
			assert.Equal(t, 1, r.sent())
		},
		"a thousand callers, one failure": func(t *testing.T, r *rig) {
			failure := entratest.Refuse(700016)
			failure.Delay = time.Second
			r.entra.SetReply(&failure)
			many(r, 1000, alive, one, func(_ int, _ azcore.AccessToken, err error) { assert.ErrorContains(t, err, "AADSTS700016") })
			assert.Equal(t, 1, r.sent())
			r.entra.SetReply(nil)
			time.Sleep(2 * time.Second)
			many(r, 1000, alive, one, func(_ int, _ azcore.AccessToken, err error) { assert.NoError(t, err) })
			assert.Equal(t, 2, r.sent())
		},
		"a thousand callers with a stale token": func(t *testing.T, r *rig) {
			token := r.must(storage)
			time.Sleep(time.Until(token.RefreshOn))
			delayed(r, time.Second)
			began := time.Now()
			many(r, 1000, alive, one, func(_ int, got azcore.AccessToken, err error) {
				assert.NoError(t, err)
				assert.Equal(t, token, got)
			})
			assert.Zero(t, time.Since(began))
			synctest.Wait()
			assert.Equal(t, 2, r.sent())
		},
		"a thousand callers of ten keys, one of which hangs": func(t *testing.T, r *rig) {
			r.fault = func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			r.down.Store(true)
			began := time.Now()
			var fast atomic.Int32
			many(r, 1000, alive, func(i int) string {
				if i%10 == 0 {
					return storage
				}
				return "api://" + strings.Repeat("x", i%10) + "/.default"
			}, func(i int, _ azcore.AccessToken, err error) {
				if i%10 == 0 {
					assert.Error(t, err)
				} else if assert.NoError(t, err) && time.Since(began) == 0 {
					fast.Add(1)
				}
			})
			assert.EqualValues(t, 900, fast.Load())
			assert.Equal(t, 1, r.sent())
		},
		"callers one after another, as azcore's waiters": func(t *testing.T, r *rig) {
			r.entra.SetReply(new(entratest.Refuse(700016)))
			began := time.Now()
			for range 200 {
				_, err := r.get(t.Context(), storage)
				assert.ErrorContains(t, err, "AADSTS700016")
			}
			assert.Zero(t, time.Since(began))
			assert.Equal(t, 1, r.sent())
		},
		"a refusal that may pass is retried once per outage": func(t *testing.T, r *rig) {
			for range 2 { // a success arms the budget again
				r.entra.SetReply(new(entratest.Refuse(700213)))
				before := r.sent()
				_, err := r.get(t.Context(), storage)
				explained(t, err)
				assert.Greater(t, r.sent()-before, 2)
				for range 5 {
					time.Sleep(2 * time.Minute)
					before = r.sent()
					_, err = r.get(t.Context(), storage)
					explained(t, err)
					assert.Equal(t, 1, r.sent()-before, "the budget is spent")
				}
				r.entra.SetReply(nil)
				time.Sleep(2 * time.Minute)
				r.Invalidate(r.must(storage).Token)
			}
		},
		"a challenge during back-off": func(t *testing.T, r *rig) {
			r.entra.Enqueue(entratest.Refuse(700016))
			_, err := r.get(t.Context(), storage)
			require.Error(t, err)
			token, err := r.ask(t.Context(), policy.TokenRequestOptions{Scopes: []string{storage}, Claims: challenge})
			require.NoError(t, err)
			assert.Equal(t, token, r.must(storage), "its token is the cached one")
			assert.Equal(t, 2, r.sent())
		},
		"a challenge that fails, with a cached token": func(t *testing.T, r *rig) {
			token := r.must(storage)
			r.entra.SetReply(new(entratest.Refuse(53003)))
			_, err := r.ask(t.Context(), policy.TokenRequestOptions{Scopes: []string{storage}, Claims: challenge})
			explained(t, err)
			again, err := r.get(ended, storage)
			require.NoError(t, err)
			assert.Equal(t, token, again, "which stays")
		},
		"claims that are no JSON": func(t *testing.T, r *rig) {
			_, err := r.ask(t.Context(), policy.TokenRequestOptions{Scopes: []string{storage}, Claims: "eyJub3BlIjoxfQ", EnableCAE: true})
			explained(t, err)
			assert.Zero(t, r.sent())
			r.must(storage)
		},
		"a token that is invalidated during an outage": func(t *testing.T, r *rig) {
			token := r.must(storage)
			r.entra.SetReply(new(entratest.Refuse(700016)))
			r.Invalidate(token.Token)
			_, err := r.get(t.Context(), storage)
			explained(t, err)
			r.entra.SetReply(nil)
			time.Sleep(2 * time.Second)
			assert.NotEqual(t, token.Token, r.must(storage).Token)
		},
		"a token that is invalidated while its successor is on the way": func(t *testing.T, r *rig) {
			token := r.must(storage)
			time.Sleep(time.Until(token.RefreshOn))
			delayed(r, 5*time.Second)
			r.must(storage)
			r.Invalidate(token.Token)
			delayed(r, 0)
			fresh := r.must(storage)
			time.Sleep(10 * time.Second)
			assert.Equal(t, fresh, r.must(storage), "the older exchange does not overwrite it")
			assert.Equal(t, 3, r.sent())
		},
		"no scope": func(t *testing.T, r *rig) {
			for _, scopes := range [][]string{nil, {}, {""}} {
				_, err := r.ask(t.Context(), policy.TokenRequestOptions{Scopes: scopes})
				assert.ErrorContains(t, err, "scope")
			}
			assert.Empty(t, r.Status())
		},
		"another tenant": func(t *testing.T, r *rig) {
			for _, tenant := range []string{"another.example", "../evil", "a/b", "a?b"} {
				_, err := r.ask(t.Context(), policy.TokenRequestOptions{Scopes: []string{storage}, TenantID: tenant})
				assert.ErrorContains(t, err, "tenant")
			}
			assert.Zero(t, r.sent())
			assert.Empty(t, r.Status())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, eventually)
				began := time.Now()
				scene(t, r)
				time.Sleep(landing)
				if time.Since(began) < 20*time.Hour {
					r.entra.SetReply(nil)
					delayed(r, 0)
					time.Sleep(time.Minute)
					r.down.Store(false)
					r.must(storage)
					time.Sleep(landing)
				}
				r.finish()
			})
		})
	}
}

// Hooks may use the credential, but for the key that they are told of.
func TestReentrancy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cred *credential.Credential
		r := newRig(t, func(r *rig) {
			r.options.OnExchange = func(e credential.ExchangeEvent) {
				cred.Status()
				cred.Invalidate("x")
				if e.Scopes[0] == storage {
					_, err := cred.GetToken(context.Background(), scopeOf(vault))
					assert.NoError(t, err)
				}
			}
		})
		cred = r.Credential
		r.must(storage)
		r.must(graph)
		r.finish(sinkLog, sinkEvent)
	})
}

// A tracer of the user's that panics fails the exchange, or the caller's wait, but no more than that.
func TestTracerPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		r := newRig(t)
		options := r.options
		options.TracingProvider = tracing.NewProvider(func(string, string) tracing.Tracer {
			return tracing.NewTracer(func(ctx context.Context, name string, _ *tracing.SpanOptions) (context.Context, tracing.Span) {
				if down.Load() && name == "entrafed.Exchange" {
					panic("tracer")
				}
				return ctx, tracing.Span{}
			}, nil)
		}, nil)
		var err error
		r.Credential, err = credential.New(&options)
		require.NoError(t, err)
		down.Store(true)
		_, err = r.get(t.Context(), storage)
		explained(t, err)
		assert.ErrorContains(t, err, "panicked")
		down.Store(false)
		time.Sleep(2 * time.Second)
		r.must(storage)
		r.finish(sinkError)
	})
}
