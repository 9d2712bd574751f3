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

// refusals makes Entra ID refuse every exchange with the code.
func (r *rig) refusals(code int) { r.Entra.SetReply(new(entratest.Refuse(code))) }

func TestNewFederatedCredentialIsWaitedFor(t *testing.T) {
	for _, code := range []int{70021, 700211, 7002111, 700213, 7002131, 7002199, 70025, 7000272, 90061, 50166, 501661} {
		synctest.Test(t, func(t *testing.T) {
			r := newBareRig(t)
			r.Entra.Enqueue(entratest.Refuse(code), entratest.Refuse(code), entratest.Refuse(code))
			start := time.Now()
			get(t, r.credential(t), scope(vault))
			require.Len(t, r.Entra.Requests(), 4, code)
			require.InDelta(t, 7+3.5/2, time.Since(start).Seconds(), 3.5/2, "1, 2 and 4 s, and up to a half more")
		})
	}
}

func TestOverloadIsRetriedAfterFiveSecondsAtTheEarliest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		refused := entratest.Refuse(90033)
		refused.Status = 400
		r.Entra.Enqueue(refused)
		start := time.Now()
		get(t, r.credential(t), scope(vault))
		require.GreaterOrEqual(t, time.Since(start), 5*time.Second)
	})
}

// A last retry when the budget ends can help with propagation. With an overload, it would come too
// soon.
func TestOverloadIsNotRetriedAtTheBudgetsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.SetDelay(7 * time.Second) // the budget of 15 s ends less than 5 s after the second reply
		refused := entratest.Refuse(90033)
		refused.Status = 400
		r.Entra.SetReply(&refused)
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS90033")
		require.Len(t, r.Entra.Requests(), 2)
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

		attempts := len(r.Entra.Requests())
		for i := range 3 {
			time.Sleep(time.Minute)
			start = time.Now()
			_, err = c.GetToken(t.Context(), scope(vault))
			require.Error(t, err)
			require.Zero(t, time.Since(start), "one attempt each, at once")
			require.Len(t, r.Entra.Requests(), attempts+1+i)
		}

		time.Sleep(time.Minute)
		r.Entra.SetReply(nil)
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
		"from Entra ID, for a resource": func(c *entratest.Cluster, r *entratest.TokenRequest) {
			c.Issuer, r.Audiences = "https://login.microsoftonline.com/t/v2.0", []string{"https://vault.azure.net"}
		},
		"from Entra ID, for a resource, v1": func(c *entratest.Cluster, r *entratest.TokenRequest) {
			c.Issuer, r.Audiences = "https://sts.windows.net/t/", []string{"https://vault.azure.net"}
		},
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
				require.Len(t, r.Entra.Requests(), 1)
			})
		})
	}
}

// The federated credentials of managed identities and of Azure DevOps propagate like any other.
func TestRefusalOfEntrasOwnTokenForExchangeIsRetried(t *testing.T) {
	for _, audience := range []string{"api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina", "fb60f99c-7a34-4190-8149-302f77469936"} {
		for _, issuer := range []string{"https://login.microsoftonline.com/t/v2.0", "https://sts.windows.net/t/"} {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				entra := &entratest.Cluster{Issuer: issuer}
				token, err := entra.Token(entratest.TokenRequest{Audiences: []string{audience}})
				require.NoError(t, err)
				r.options.TokenFilePath = writeFile(t, token)
				r.Entra.PropagationDelay = 5 * time.Second
				trusted := r.Trusted
				trusted.Issuer, trusted.Subject, trusted.Audiences = issuer, "system:serviceaccount:default:default", []string{audience}
				require.NoError(t, r.Entra.TrustCluster(entra, trusted))
				get(t, r.credential(t), scope(vault))
				require.Greater(t, len(r.Entra.Requests()), 1)
			})
		}
	}
}

// Entra ID judges the token, and its refusal may clear up.
func TestRefusalOfATokenThatIsNotReadableHereIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.TokenFilePath = ""
		r.options.Assertion = func(context.Context) (string, error) { return "opaque", nil }
		r.Entra.Enqueue(entratest.Refuse(700213))
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS50027", "its second word")
		require.Len(t, r.Entra.Requests(), 2)
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

func TestTokenFileIsReadAgainBeforeEachRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.Enqueue(entratest.Refuse(700213))
		time.AfterFunc(500*time.Millisecond, func() { _ = r.Projection.Rotate() })
		get(t, r.credential(t), scope(vault))
		requests := r.Entra.Requests()
		require.NotEqual(t, requests[0].Assertion, requests[1].Assertion)
	})
}

func TestStaleAssertionIsReadAgainOnceAndRetriedAtOnce(t *testing.T) {
	for _, code := range []int{700024, 50027, 7000216} {
		synctest.Test(t, func(t *testing.T) {
			r := newBareRig(t)
			stale, err := new(entratest.Cluster).Token(entratest.TokenRequest{})
			require.NoError(t, err)
			tokens := []string{stale, r.Projection.Token()}
			r.options.TokenFilePath = ""
			r.options.Assertion = func(context.Context) (string, error) {
				token := tokens[0]
				if len(tokens) > 1 {
					tokens = tokens[1:]
				}
				return token, nil
			}
			r.Entra.Enqueue(entratest.Refuse(code))
			start := time.Now()
			get(t, r.credential(t), scope(vault))
			require.Zero(t, time.Since(start))
			require.Equal(t, r.Projection.Token(), r.Entra.Requests()[1].Assertion)
		})
	}
}

func TestAssertionThatHasNotChangedIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.refusals(700024)
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS700024")
		require.Len(t, r.Entra.Requests(), 1)
	})
}

func TestAssertionIsReadAgainOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.TokenFilePath = ""
		r.options.Assertion = func(context.Context) (string, error) {
			// The assertion is a different one on each call.
			return new(entratest.Cluster).Token(entratest.TokenRequest{})
		}
		r.refusals(700024)
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS700024")
		require.Len(t, r.Entra.Requests(), 2)
	})
}

func TestRefusalIsNotLostWhenTheRetryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.Enqueue(entratest.Refuse(700213))
		r.Entra.SetReply(&entratest.Reply{Hang: true})
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "AADSTS700213")
	})
}

// A flight ends in time even between two attempts, and callers receive Entra ID's refusal.
func TestRefusalIsNotLostWhenTimeIsUpBeforeTheRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.refusals(700213)
		r.options.Retry.TryTimeout = 30 * time.Second
		late := entratest.Refuse(700213)
		late.Delay = 29 * time.Second // starts the budget of 15 s when 30 s are almost over
		r.Entra.Enqueue(late)
		start := time.Now()
		_, err := r.credential(t).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "AADSTS700213")
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestLongPropagationTimeoutIsForRetriesOnly(t *testing.T) {
	for name, hang := range map[string]func(*rig){
		"endpoint": func(r *rig) { r.Entra.SetReply(&entratest.Reply{Hang: true}) },
		"source": func(r *rig) {
			r.options.TokenFilePath, r.options.Assertion = "", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
		},
		"endpoint, after a refusal": func(r *rig) {
			r.Entra.Enqueue(entratest.Refuse(700213))
			r.Entra.SetReply(&entratest.Reply{Hang: true})
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
