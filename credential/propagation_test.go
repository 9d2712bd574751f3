package credential_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// refusals is an outage of Entra ID's in which every exchange is refused with the code.
func (r *rig) refusals(code int) { r.entra.SetReply(new(entratest.Refuse(code))) }

func TestNewFederatedCredentialIsWaitedFor(t *testing.T) {
	for _, code := range []int{70021, 700211, 700213, 70025, 7000272, 90061, 50166, 501661} {
		synctest.Test(t, func(t *testing.T) {
			r := newBareRig(t)
			r.entra.Enqueue(entratest.Refuse(code), entratest.Refuse(code), entratest.Refuse(code))
			start := time.Now()
			get(t, r.credential(t), scope(vault))
			require.Len(t, r.entra.Requests(), 4, code)
			require.InDelta(t, 7+3.5/2, time.Since(start).Seconds(), 3.5/2, "1, 2 and 4 s, and up to a half more")
		})
	}
}

func TestOverloadIsRetriedAfterFiveSecondsAtTheEarliest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		refused := entratest.Refuse(90033)
		refused.Status = 400
		r.entra.Enqueue(refused)
		start := time.Now()
		get(t, r.credential(t), scope(vault))
		require.GreaterOrEqual(t, time.Since(start), 5*time.Second)
	})
}

func TestPropagationBudgetIsSpentOncePerOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.refusals(700213)
		c := r.credential(t)
		start := time.Now()
		_, err := c.GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS700213")
		require.InDelta(t, 15, time.Since(start).Seconds(), 0.1)

		attempts := len(r.entra.Requests())
		for i := range 3 {
			time.Sleep(time.Minute)
			start = time.Now()
			_, err = c.GetToken(t.Context(), scope(vault))
			require.Error(t, err)
			require.Zero(t, time.Since(start), "one attempt each, at once")
			require.Len(t, r.entra.Requests(), attempts+1+i)
		}

		time.Sleep(time.Minute)
		r.entra.SetReply(nil)
		token := get(t, c, scope(vault))
		c.Invalidate(token.Token)
		r.refusals(700213)
		start = time.Now()
		_, err = c.GetToken(t.Context(), scope(vault))
		require.Error(t, err)
		require.InDelta(t, 15, time.Since(start).Seconds(), 0.1, "armed again by the success")
	})
}

func TestPropagationTimeoutOfTheUsersOwn(t *testing.T) {
	for timeout, want := range map[time.Duration]float64{-1: 0, 3 * time.Second: 3, 2 * time.Minute: 120} {
		synctest.Test(t, func(t *testing.T) {
			r := newBareRig(t)
			r.refusals(70025)
			r.options.PropagationTimeout = timeout
			start := time.Now()
			_, err := r.credential(t).GetToken(t.Context(), scope(vault))
			require.ErrorContains(t, err, "AADSTS70025")
			require.InDelta(t, want, time.Since(start).Seconds(), 0.1)
		})
	}
}

func TestRefusalThatTheTokenExplainsIsNotRetried(t *testing.T) {
	for name, bend := range map[string]func(*entratest.Cluster, *entratest.TokenRequest){
		"for Kubernetes": func(_ *entratest.Cluster, r *entratest.TokenRequest) {
			r.Audiences = []string{"https://kubernetes.default.svc"}
		},
		"for Kubernetes, by its issuer": func(c *entratest.Cluster, r *entratest.TokenRequest) {
			c.Issuer = "https://issuer.example"
			r.Audiences = []string{c.Issuer}
		},
		"for the identity binding": func(_ *entratest.Cluster, r *entratest.TokenRequest) {
			r.Audiences = []string{"api://AKSIdentityBinding"}
		},
		"from Entra ID": func(c *entratest.Cluster, _ *entratest.TokenRequest) {
			c.Issuer = "https://login.microsoftonline.com/t/v2.0"
		},
		"from Entra ID, v1": func(c *entratest.Cluster, _ *entratest.TokenRequest) { c.Issuer = "https://sts.windows.net/t/" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				cluster, request := &entratest.Cluster{}, entratest.TokenRequest{}
				bend(cluster, &request)
				token, err := cluster.Token(request)
				require.NoError(t, err)
				r.options.TokenFilePath = writeFile(t, token)
				r.refusals(700213)
				start := time.Now()
				_, err = r.credential(t).GetToken(t.Context(), scope(vault))
				require.ErrorContains(t, err, "AADSTS700213")
				require.Zero(t, time.Since(start))
				require.Len(t, r.entra.Requests(), 1)
			})
		})
	}
}

// Entra ID is the judge of it, and what it says may pass.
func TestRefusalOfATokenThatIsNotReadableHereIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.TokenFilePath = ""
		r.options.Assertion = func(context.Context) (string, error) { return "opaque", nil }
		r.entra.Enqueue(entratest.Refuse(700213))
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS50027", "its second word")
		require.Len(t, r.entra.Requests(), 2)
	})
}

func TestOtherRefusalsAreNotRetried(t *testing.T) {
	for _, code := range []int{700016, 90002, 700212, 7002138, 1002012, 500011, 53003} {
		synctest.Test(t, func(t *testing.T) {
			r := newBareRig(t)
			r.refusals(code)
			start := time.Now()
			_, err := r.credential(t).GetToken(t.Context(), scope(vault))
			require.Error(t, err)
			require.Zero(t, time.Since(start), code)
		})
	}
}

func TestDeadlineThatComesFirstBringsEntrasLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.refusals(70021)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := r.credential(t).GetToken(ctx, scope(vault))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		e, ok := errors.AsType[*exchange.Error](err)
		require.True(t, ok)
		require.Equal(t, []int{70021}, e.EntraCodes)
		require.ErrorContains(t, err, "to try again")
		time.Sleep(time.Minute)
	})
}

func TestTokenFileIsReadAnewBeforeEachRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.entra.Enqueue(entratest.Refuse(700213))
		time.AfterFunc(500*time.Millisecond, func() { _ = r.file.Rotate() })
		get(t, r.credential(t), scope(vault))
		requests := r.entra.Requests()
		require.NotEqual(t, requests[0].Assertion, requests[1].Assertion)
	})
}

func TestStaleAssertionIsReadAgainOnceAndRetriedAtOnce(t *testing.T) {
	for _, code := range []int{700024, 50027, 7000216} {
		synctest.Test(t, func(t *testing.T) {
			r := newBareRig(t)
			stale, err := new(entratest.Cluster).Token(entratest.TokenRequest{})
			require.NoError(t, err)
			tokens := []string{stale, r.file.Token()}
			r.options.TokenFilePath = ""
			r.options.Assertion = func(context.Context) (string, error) {
				token := tokens[0]
				if len(tokens) > 1 {
					tokens = tokens[1:]
				}
				return token, nil
			}
			r.entra.Enqueue(entratest.Refuse(code))
			start := time.Now()
			get(t, r.credential(t), scope(vault))
			require.Zero(t, time.Since(start))
			require.Equal(t, r.file.Token(), r.entra.Requests()[1].Assertion)
		})
	}
}

func TestAssertionThatHasNotChangedIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.refusals(700024)
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS700024")
		require.Len(t, r.entra.Requests(), 1)
	})
}

func TestAssertionIsReadAgainOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.TokenFilePath = ""
		r.options.Assertion = func(context.Context) (string, error) {
			return new(entratest.Cluster).Token(entratest.TokenRequest{}) // another at each call
		}
		r.refusals(700024)
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS700024")
		require.Len(t, r.entra.Requests(), 2)
	})
}

func TestRefusalIsNotLostWhenTheRetryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.entra.Enqueue(entratest.Refuse(700213), entratest.Reply{Hang: true})
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "AADSTS700213")
	})
}

// A flight ends in time even between two attempts: what Entra ID said is what callers are told.
func TestRefusalIsNotLostWhenTimeIsUpBeforeTheRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.refusals(700213)
		late := entratest.Refuse(700213)
		late.Delay = 29 * time.Second // which starts the budget, of 15 s, when 30 s are almost over
		r.entra.Enqueue(late)
		start := time.Now()
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS700213")
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestLongPropagationTimeoutIsForRetriesOnly(t *testing.T) {
	for name, hang := range map[string]func(*rig){
		"endpoint": func(r *rig) { r.entra.SetReply(&entratest.Reply{Hang: true}) },
		"source": func(r *rig) {
			r.options.TokenFilePath, r.options.Assertion = "", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
		},
		"endpoint, after a refusal": func(r *rig) {
			r.entra.Enqueue(entratest.Refuse(700213), entratest.Reply{Hang: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				r.options.PropagationTimeout = 10 * time.Minute
				hang(r)
				start := time.Now()
				_, err := r.credential(t).GetToken(t.Context(), scope(vault))
				require.ErrorContains(t, err, " within 30s: ")
				require.InDelta(t, 30, time.Since(start).Seconds(), 2)
			})
		})
	}
}
