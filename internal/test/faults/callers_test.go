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

// misbehavior is user code that misbehaves during an exchange.
type misbehavior func(context.Context)

func panics(value any) misbehavior { return func(context.Context) { panic(value) } }

func nilDereference(context.Context) { _ = *(*[1]int)(nil) }

func goexit(context.Context) { runtime.Goexit() }

// hangs blocks for longer than an exchange may take, and ignores its context.
func hangs(context.Context) { time.Sleep(landing - time.Second/2) }

func heeds(ctx context.Context) { <-ctx.Done() }

// naps takes almost as long as one try may take.
func naps(context.Context) { time.Sleep(10 * time.Second) }

// misbehaving puts bad code into one of the places where user code runs.
type misbehaving func(r *rig, bad func(context.Context))

func inAssertion(r *rig, bad func(context.Context)) {
	r.options.TokenFilePath = ""
	r.options.Assertion = func(ctx context.Context) (string, error) {
		bad(ctx)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return r.Projection.Token(), nil
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
		return r.answer(r.Entra, req)
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
		resp, err := r.answer(r.Entra, req)
		if err == nil {
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

// badHandler misbehaves when it handles a record about storage.
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

func TestMisbehavior(t *testing.T) {
	anyOf := func(what ...misbehavior) []misbehavior { return what }
	secretPanic := misbehavior(func(context.Context) { panic("assertion " + accessToken) })
	panicked := want{words: []string{"panicked"}, not: []string{"accessToken"}, waited: seconds(0, 0)}
	exited := want{words: []string{"Goexit"}, waited: seconds(0, 0)}
	abandoned := want{is: []error{context.DeadlineExceeded}, waited: seconds(30, 30.1)}
	waitedFor := want{token: true, waited: seconds(10, 10)}
	// A hook can only delay or lose its own event.
	served := want{token: true, waited: seconds(0, 0)}
	with := func(w want, requests int, shared bool) want {
		w.requests, w.sharedWithOther = requests, shared
		return w
	}
	for _, x := range []struct {
		name string
		in   misbehaving
		does []misbehavior
		want
	}{
		{"Assertion panics", inAssertion, anyOf(panics("x"), panics(errors.New("x")), nilDereference, secretPanic), with(panicked, 0, true)},
		{"Assertion ends its goroutine", inAssertion, anyOf(goexit), with(exited, 0, true)},
		{"Assertion hangs", inAssertion, anyOf(hangs, heeds), with(abandoned, 0, true)},
		{"Assertion is slow", inAssertion, anyOf(naps), with(waitedFor, 1, true)},
		{"OnExchange panics", inHook, anyOf(panics("x"), nilDereference, secretPanic), with(served, 1, false)},
		{"OnExchange ends its goroutine", inHook, anyOf(goexit), with(served, 1, false)},
		{"OnExchange hangs or is slow", inHook, anyOf(hangs, naps), with(served, 1, false)},
		{"Transport panics", inTransport, anyOf(panics("x"), nilDereference, secretPanic), with(panicked, 1, false)},
		{"Transport ends its goroutine", inTransport, anyOf(goexit), with(exited, 1, false)},
		{"Transport hangs", inTransport, anyOf(hangs), with(abandoned, 1, false)},
		{"Transport hangs until its context ends", inTransport, anyOf(heeds), with(abandoned, 3, false)},
		{"Transport is slow", inTransport, anyOf(naps), with(waitedFor, 1, false)},
		{"a body panics", inBody, anyOf(panics("x"), nilDereference, secretPanic), with(panicked, 1, false)},
		{"a body ends its goroutine", inBody, anyOf(goexit), with(exited, 1, false)},
		{"a policy panics", inPolicy, anyOf(panics("x")), with(panicked, 0, true)},
		{"a policy hangs", inPolicy, anyOf(hangs), with(abandoned, 0, true)},
		{"Logger's handler panics", inLogger, anyOf(panics("x"), secretPanic), with(served, 1, false)},
		{"Logger's handler ends its goroutine", inLogger, anyOf(goexit), with(served, 1, false)},
		{"Logger's handler hangs or is slow", inLogger, anyOf(hangs, naps), with(served, 1, false)},
	} {
		for i, does := range x.does {
			both(t, x.name+strings.Repeat(" again", i), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, func(r *rig) {
						x.in(r, func(ctx context.Context) {
							if r.down.Load() {
								does(ctx)
							}
						})
					})
					r.drill(x.want, false)
					time.Sleep(time.Hour) // for those that hang
				})
			})
		}
	}
}

// TestAssertionFails is about the results of Options.Assertion.
func TestAssertionFails(t *testing.T) {
	broken := errors.New("the metadata service is down")
	for _, x := range []struct {
		name      string
		assertion func() (string, error)
		want
	}{
		{"an error and a token", func() (string, error) { return accessToken, broken }, want{is: []error{broken}, words: []string{"Options.Assertion"}}},
		{"white space", func() (string, error) { return " \n", nil }, want{words: []string{"Options.Assertion", "empty"}}},
		{"canceled", func() (string, error) { return "", context.Canceled }, want{is: []error{context.Canceled}, words: []string{"Options.Assertion"}}},
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
						return r.Projection.Token(), nil
					}
				})
				x.sharedWithOther = true
				r.drill(x.want, false)
			})
		})
	}
}

// TestCallers is about callers whose contexts end, who are many, or who ask for something that they
// cannot get.
func TestCallers(t *testing.T) {
	cause := errors.New("the client hung up")
	timeout := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		time.AfterFunc(d+time.Second, cancel)
		return ctx
	}
	hanging := &entratest.Reply{Hang: true}
	delayed := func(r *rig, d time.Duration) { r.Entra.SetDelay(d) }
	// many makes n calls at once.
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
		"canceled before": func(t *testing.T, r *rig) {
			_, err := r.get(ended, storage)
			explained(t, err)
			assert.ErrorIs(t, err, context.Canceled)
			assert.Zero(t, r.sent(), "an ended context starts no exchange")
			r.must(storage) // and leaves no trace
		},
		"canceled before, for a challenge": func(t *testing.T, r *rig) {
			_, err := r.ask(ended, policy.TokenRequestOptions{Scopes: []string{storage}, Claims: challenge})
			explained(t, err)
			assert.ErrorIs(t, err, context.Canceled)
			assert.Zero(t, r.sent())
		},
		"canceled before, with a stale token": func(t *testing.T, r *rig) {
			token := r.must(storage)
			time.Sleep(time.Until(token.RefreshOn))
			again, err := r.get(ended, storage)
			require.NoError(t, err)
			assert.Equal(t, token.Token, again.Token)
			synctest.Wait()
			assert.Equal(t, 1, r.sent(), "it starts no refresh")
		},
		"canceled while it waits": func(t *testing.T, r *rig) {
			r.Entra.SetReply(hanging)
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
		"deadline while the next exchange hangs: the error has the last failure": func(t *testing.T, r *rig) {
			r.Entra.Enqueue(entratest.Refuse(700016), *hanging)
			_, err := r.get(t.Context(), storage)
			require.Error(t, err)
			time.Sleep(2 * time.Second)
			_, err = r.get(timeout(time.Second), storage)
			explained(t, err)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, "AADSTS700016")
		},
		"deadline in a token's final seconds": func(t *testing.T, r *rig) {
			r.Entra.Enqueue(*hour(""))
			token := r.must(storage)
			time.Sleep(time.Until(token.ExpiresOn) - 4*time.Second)
			r.Entra.SetReply(hanging)
			began := time.Now()
			// The token or an error, because the promises leave that open.
			_, _ = r.get(timeout(time.Second), storage)
			assert.Equal(t, time.Second, time.Since(began))
			r.Entra.SetReply(nil)
		},
		"half of the callers leave, the others stay": func(t *testing.T, r *rig) {
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
			assert.NoError(t, err, "the exchange that they started was finished")
			assert.Equal(t, 1, r.sent())
		},
		"a thousand callers, one failure": func(t *testing.T, r *rig) {
			failure := entratest.Refuse(700016)
			failure.Delay = time.Second
			r.Entra.SetReply(&failure)
			many(r, 1000, alive, one, func(_ int, _ azcore.AccessToken, err error) { assert.ErrorContains(t, err, "AADSTS700016") })
			assert.Equal(t, 1, r.sent())
			r.Entra.SetReply(nil)
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
				assert.Equal(t, token.Token, got.Token)
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
			assert.Equal(t, 3, r.sent(), "three tries of up to 10.5 s within 30 s")
		},
		"callers one after another, as azcore's waiters are": func(t *testing.T, r *rig) {
			r.Entra.SetReply(new(entratest.Refuse(700016)))
			began := time.Now()
			for range 200 {
				_, err := r.get(t.Context(), storage)
				assert.ErrorContains(t, err, "AADSTS700016")
			}
			assert.Zero(t, time.Since(began))
			assert.Equal(t, 1, r.sent())
		},
		"a token that is invalidated while a refresh is in flight": func(t *testing.T, r *rig) {
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
	} {
		both(t, name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, eventually)
				scene(t, r)
				time.Sleep(landing)
				r.Entra.SetReply(nil)
				delayed(r, 0)
				time.Sleep(time.Minute)
				r.down.Store(false)
				r.must(storage)
				time.Sleep(landing)
				r.finish()
			})
		})
	}
}

// Hooks may use the credential, except for the key that they report on.
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

// A user's tracer that panics loses its span and nothing else.
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
		r.must(storage)
		assert.Equal(t, 1, r.sent())
		r.finish(sinkEvent)
	})
}
