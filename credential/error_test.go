package credential_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
)

func errorOf(t *testing.T, err error) *credential.Error {
	t.Helper()
	e, ok := errors.AsType[*credential.Error](err)
	require.True(t, ok, err)
	return e
}

// A controller stores the error in a status condition. If it differed from attempt to attempt, each
// would trigger the next reconcile: cert-manager replaces azidentity's text for that reason.
func TestSummaryIsTheSameForEveryAttempt(t *testing.T) {
	causes := map[string]entratest.Reply{
		"no federated credential": entratest.Refuse(700213),
		"a wrong tenant":          entratest.Refuse(90002),
		"a stale token":           entratest.Refuse(700024), // Entra ID's message contains the time
		"an unknown code":         entratest.Refuse(4242424),
		"throttled":               entratest.Throttle(time.Minute),
		"down":                    entratest.Unavailable(0),
		"a firewall's page":       {Status: 403, Body: "<html>blocked, reference 8d1f3b7a</html>"},
		"no route":                {Err: &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}, Err: syscall.EHOSTUNREACH}},
		"hangs":                   {Hang: true},
	}
	for name, reply := range causes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				r.options.PropagationTimeout = -1
				r.Entra.SetReply(&reply)
				c := r.credential(t)
				summaries, texts := map[string]bool{}, map[string]bool{}
				for range 5 {
					for range 2 { // the second error is the remembered one
						_, err := c.GetToken(t.Context(), scope(vault))
						texts[err.Error()] = true
						summaries[errorOf(t, err).Summary()] = true
					}
					time.Sleep(time.Hour + 17*time.Minute)
					require.NoError(t, r.Projection.Rotate())
				}
				require.Greater(t, len(texts), 1, "the errors themselves differ")
				require.Len(t, summaries, 1)
			})
		})
	}
}

func TestSummarySaysCodeCauseAndFix(t *testing.T) {
	pod := newPod(t)
	setup, _ := setups.Of("another-namespace")
	require.NoError(t, setup.Break(pod))
	e := errorOf(t, signIn(t, pod))
	require.Equal(t, "AADSTS700213 invalid_client; no federated credential of the issuer has the token's subject; likely cause: "+e.Cause()+"; fix: "+e.Fix(), e.Summary())
	require.NotEmpty(t, e.Cause())
	require.NotEmpty(t, e.Fix())
	for _, part := range []string{e.Cause(), e.Fix()} {
		require.NotRegexp(t, `\.$|\n`, part)
	}
}

// The summary of every broken setup fits in a status condition.
func TestSummaryOfEverySetupIsOneShortLine(t *testing.T) {
	for _, setup := range setups.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			pod := newPod(t)
			require.NoError(t, setup.Break(pod))
			e, ok := errors.AsType[*credential.Error](signIn(t, pod))
			if !ok {
				return // New reported the problem, or there is no error
			}
			require.NotContains(t, e.Summary(), "\n")
			require.NotContains(t, e.Summary(), "eyJhbGciOi")
			require.Less(t, len(e.Summary()), 2500)
			require.NotRegexp(t, `correlation ID [0-9a-f]|\d\d:\d\d:\d\d`, e.Summary())
		})
	}
}

func TestOtherErrorsHaveNoCause(t *testing.T) {
	r := newRig(t)
	r.options.TokenFilePath += ".missing"
	_, err := r.credential(t).GetToken(t.Context(), scope(vault))
	e := errorOf(t, err)
	require.Empty(t, e.Cause()+e.Fix())
	require.Contains(t, e.Summary(), ".missing")
}

func TestMegabyteOfScopeMakesNoMegabyteOfError(t *testing.T) {
	r := newRig(t)
	r.Entra.SetReply(new(entratest.Refuse(500011)))
	_, err := r.credential(t).GetToken(t.Context(), scope("https://"+string(make([]byte, 1<<20))+"/.default"))
	require.Less(t, len(err.Error()), 8<<10)
	require.Less(t, len(fmt.Sprintf("%+v", err)), 8<<10)
}

// During an outage HTTP retries only multiply the requests, so only a key's first failure gets
// them.
func TestFailedKeySendsOneRequestPerAttempt(t *testing.T) {
	for name, row := range map[string]struct {
		retries int32 // in the user's options
		want    []int // requests of each attempt
	}{
		"by default":            {0, []int{4, 1, 1, 4}},
		"the user's own stand":  {2, []int{3, 3, 3, 3}},
		"the user wants no one": {-1, []int{1, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				r.options.Retry.MaxRetries = row.retries
				c := r.credential(t)
				r.Entra.SetReply(new(entratest.Unavailable(0)))
				var sent []int
				attempt := func() {
					r.Entra.ForgetRequests()
					_, err := c.GetToken(t.Context(), scope(vault))
					require.Error(t, err)
					sent = append(sent, len(r.Entra.Requests()))
					time.Sleep(time.Minute)
				}
				attempt()
				attempt()
				attempt()
				r.Entra.SetReply(nil)
				get(t, c, scope(vault))
				time.Sleep(2 * time.Hour)
				r.Entra.SetReply(new(entratest.Unavailable(0)))
				attempt() // a success ends the outage
				require.Equal(t, row.want, sent)
			})
		})
	}
}

func TestRefusalIsReachedThroughTheError(t *testing.T) {
	r := newRig(t)
	r.Entra.SetReply(new(entratest.Refuse(700016)))
	_, err := r.credential(t).GetToken(context.Background(), scope(vault))
	refusal, ok := errors.AsType[*exchange.Error](err)
	require.True(t, ok)
	require.Equal(t, []int{700016}, refusal.EntraCodes)
}

// errgroup, for example, makes a sibling's error the cause of a context's end. It says nothing
// about the exchange that the caller stopped waiting for.
func TestWhyACallerGaveUpIsNotWhyTheExchangeFailed(t *testing.T) {
	for name, cause := range map[string]error{
		"a name of a sibling's does not resolve": &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "db.internal", IsNotFound: true}},
		"a sibling's connection is refused":      &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		"a sibling's GetToken failed":            nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				r.options.PropagationTimeout = -1
				r.Entra.Enqueue(entratest.Refuse(500011))
				c := r.credential(t)
				_, sibling := c.GetToken(t.Context(), scope(storage))
				if cause == nil {
					cause = sibling
				}
				r.Entra.SetDelay(10 * time.Second)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(cause) })
				_, err := c.GetToken(ctx, scope(vault))
				require.ErrorIs(t, err, cause)
				e := errorOf(t, err)
				require.Empty(t, e.Cause()+e.Fix()+e.Step())
				require.NotContains(t, e.Error(), "failed at")
				time.Sleep(time.Minute)
			})
		})
	}
}
