package credential_test

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/aadsts"
	"github.com/entrafed/entrafed/internal/broken"
)

// A right setup gives a token, and the same one with one thing broken an error that says which and how to mend it, in words that
// Entra ID's reply does not have.
func TestBrokenSetupIsNamedWithItsFix(t *testing.T) {
	for _, setup := range broken.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			pod := newPod(t)
			require.NoError(t, signIn(t, pod), "the right setup")
			require.NoError(t, setup.Break(pod))
			err := signIn(t, pod)
			if setup.Link == broken.Resource {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.Equal(t, setup.Code, codeOf(err))
			for _, words := range setup.Words {
				require.Contains(t, ours(err), words)
			}
			if setup.Code != 0 {
				checkHint(t, err)
			}
			require.NotContains(t, fmt.Sprintf("%v%+v", err, err), "eyJ", "the federated token")
		})
	}
}

// checkHint holds for the hint of every refusal.
func checkHint(t *testing.T, err error) {
	t.Helper()
	_, hint, ok := strings.Cut(err.Error(), "; likely cause: ")
	require.True(t, ok, err.Error())
	require.Contains(t, hint, "; fix: ")
	require.Less(t, len("likely cause: "+hint), 400, hint)
	require.NotRegexp(t, regexp.MustCompile(`\{[a-z ]+\}|""`), hint)
	require.NotContains(t, err.Error(), "\n")

	block := fmt.Sprintf("%+v", err)
	require.NotContains(t, err.Error()+block, "eyJ", "the federated token")
	for _, line := range []string{"asked for:", "Entra said:", "presented:", "likely cause:", "fix:"} {
		require.Contains(t, block, "\n  "+line)
	}
	cause, fix, _ := strings.Cut(hint, "; fix: ")
	require.Contains(t, block, cause)
	require.Contains(t, block, fix)
}

// Each code that is known has a cause and a fix that name the field, whatever else is known of the request.
func TestEveryKnownCodeHasAHint(t *testing.T) {
	pod := newPod(t)
	c := credentialOf(t, pod)
	for i, entry := range aadsts.All() {
		pod.Entra.SetReply(new(entratest.Refuse(entry.Code)))
		_, err := c.GetToken(t.Context(), scope(fmt.Sprintf("https://%d.example/.default", i)))
		checkHint(t, err)
		require.Contains(t, ours(err), string(entry.Field), entry.Code)
		require.Contains(t, fmt.Sprintf("%+v", err), entry.Means)
	}
}

// Every entry of the catalogue is reached by a state that the fake judges, but for those that no state of these fakes has.
func TestEveryKnownCodeHasASetup(t *testing.T) {
	noState := map[int]string{
		70021:   "what Entra ID said before it told 700211, 700212 and 700213 apart",
		7002121: "a twin of 700212, with nothing on record that tells them apart",
		7002137: "of agent identities, whose tokens the fake does not know",
		7002381: "of a policy on GitHub's enterprises, a claim that the fake does not know",
		700027:  "of certificates, by the replies on record",
		501661:  "a twin of 50166, with nothing on record that tells them apart",
		900432:  "a twin of 900382, with nothing on record that tells them apart",
		50049:   "of hosts that are none of Entra ID's: those the network refuses here",
		70052:   "of multi-tenant apps: the fake's are of one tenant",
		530032:  "a twin of 53003, for security defaults",
		70011:   "of scopes that are no app's: the fake says 1002012",
		7000222: "of client secrets, of which the fake has none that expired",
		50173:   "of users, who have no business here",
		50196:   "of too many requests, which the fake does not count",

		// Entra ID's own trouble is a reply, and nothing else.
		50033: "", 50087: "", 90006: "", 90012: "", 90024: "", 90033: "", 90055: "", 90090: "",
	}
	reached := map[int]bool{}
	for _, setup := range broken.Setups() {
		reached[setup.Code] = reached[setup.Code] || !setup.Transient
	}
	for _, entry := range aadsts.All() {
		_, excused := noState[entry.Code]
		require.NotEqual(t, reached[entry.Code], excused, entry.Code)
		delete(noState, entry.Code)
	}
	require.Empty(t, noState, "codes that are not known")
}

func TestNothingKnownIsNoHint(t *testing.T) {
	for name, reply := range map[string]entratest.Reply{
		"unknown code": entratest.Refuse(4242424), "throttled": entratest.Throttle(0), "no OAuth": {Status: 403, Body: "go away"},
		"an answer that cannot be used": {Status: 200, Body: "{}"}, "no answer": {Err: errors.New("no route")},
	} {
		t.Run(name, func(t *testing.T) {
			pod := newPod(t)
			pod.Entra.SetReply(&reply)
			err := signIn(t, pod)
			require.Error(t, err)
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err)} {
				require.NotContains(t, text, "likely cause")
				require.NotContains(t, text, "fix:")
			}
		})
	}
}

// Entra ID forgives a few minutes, the fake always as many; where it does not, the file is named.
func TestFileThatIsRenewedTooLateIsNamed(t *testing.T) {
	pod := newPod(t)
	volume, err := pod.Cluster.Project(t.TempDir(), "token", entratest.TokenRequest{Lifetime: 2 * time.Minute})
	require.NoError(t, err)
	pod.Env["AZURE_FEDERATED_TOKEN_FILE"] = volume.Path()
	pod.Entra.SetReply(new(entratest.Refuse(700024)))
	err = signIn(t, pod)
	for _, want := range []string{"from its expiry: nothing renews it in time", "the token file ", "subPath"} {
		require.ErrorContains(t, err, want)
	}
}

func TestBlockOfAnError(t *testing.T) {
	pod := newPod(t)
	setup, _ := broken.Of("another-namespace")
	require.NoError(t, setup.Break(pod))
	c := credentialOf(t, pod)
	_, err := c.GetToken(t.Context(), scope(vault))
	require.Regexp(t, `^credential: no token
  asked for:    scope "[^"]+", client ID "[^"]+", tenant "[^"]+"
  Entra said:   HTTP 401 Unauthorized, .*invalid_client: AADSTS700213: .*
  in short:     no federated credential of the issuer has the token's subject
  presented:    issuer "[^"]+", subject "system:serviceaccount:staging:orders", audience "[^"]+", expiry .*
  likely cause: no federated credential of client ID .*
  fix:          register .*
  IDs:          correlation ID [-0-9a-f]+, trace ID [-0-9a-f]+, time \S+$`, fmt.Sprintf("%+v", err))
	for _, verb := range []string{"%v", "%s"} {
		require.Equal(t, err.Error(), fmt.Sprintf(verb, err))
	}
	require.Equal(t, fmt.Sprintf("%q", err.Error()), fmt.Sprintf("%q", err))

	_, again := c.GetToken(t.Context(), scope(vault))
	require.Regexp(t, `\n  state: +the refusal below \(failure 1, backing off: next attempt at .*\)\n  Entra said: `, fmt.Sprintf("%+v", again))

	_, other := c.GetToken(t.Context(), scope())
	require.Regexp(t, "^credential: no token\n  asked for: .*\n  error: +at least one scope is required$", fmt.Sprintf("%+v", other))
}

func TestErrorIsOneLineInLogs(t *testing.T) {
	pod := newPod(t)
	pod.Entra.SetReply(new(entratest.Refuse(700016)))
	err := signIn(t, pod)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Error("failed", "error", err)
	require.NotContains(t, log.String(), `\n`)
	require.Contains(t, log.String(), "likely cause: ")
}
