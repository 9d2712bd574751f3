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

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// A correct setup yields a token. With one thing broken, the error names it and its fix, in words
// that Entra ID's reply does not contain.
func TestBrokenSetupIsNamedWithItsFix(t *testing.T) {
	for _, setup := range setups.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			pod := newPod(t)
			require.NoError(t, signIn(t, pod), "the correct setup")
			require.NoError(t, setup.Break(pod))
			err := signIn(t, pod)
			if setup.Link == setups.Resource {
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
			require.NotContains(t, fmt.Sprintf("%v%+v", err, err), "eyJhbGciOi", "the federated token")
		})
	}
}

// checkHint checks what must hold for the hint of every refusal.
func checkHint(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*credential.Error](err)
	require.True(t, ok)
	hint := "likely cause: " + e.Cause() + "; fix: " + e.Fix()
	require.Less(t, strings.Index(err.Error(), hint)+len(hint), 1000, "a truncated log line keeps the hint: %s", err)
	require.Contains(t, err.Error(), ": "+hint+"; HTTP ")
	require.Less(t, len(hint), 640, hint)
	require.NotRegexp(t, regexp.MustCompile(`\{[a-z ]+\}|""`), hint)
	require.NotContains(t, err.Error(), "\n")

	block := fmt.Sprintf("%+v", err)
	require.NotContains(t, err.Error()+block, "eyJhbGciOi", "the federated token")
	for _, line := range []string{"asked for:", "Entra said:", "presented:", "likely cause:", "fix:"} {
		require.Contains(t, block, "\n  "+line)
	}
	require.Contains(t, block, e.Cause())
	require.Contains(t, block, e.Fix())
}

// Every known code has a cause and a fix that name the field, whatever the request.
func TestEveryKnownCodeHasAHint(t *testing.T) {
	pod := newPod(t)
	c := credentialOf(t, pod)
	for i, entry := range hint.Catalogue() {
		pod.Entra.SetReply(new(entratest.Refuse(entry.Code)))
		_, err := c.GetToken(t.Context(), scope(fmt.Sprintf("https://%d.example/.default", i)))
		checkHint(t, err)
		require.Contains(t, ours(err), string(entry.Field), entry.Code)
		require.Contains(t, fmt.Sprintf("%+v", err), entry.Means)
	}
}

// Some setup reaches every entry of the catalogue, except for codes that no state of the fakes
// produces.
func TestEveryKnownCodeHasASetup(t *testing.T) {
	noState := map[int]string{
		70021:   "the code from before Entra ID distinguished 700211, 700212 and 700213",
		7002111: "a twin of 700211, seen with agents",
		7002121: "a twin of 700212, which no record distinguishes",
		7002137: "of agent identities, whose tokens the fake does not know",
		7002381: "of a policy on GitHub's enterprises, a claim that the fake does not know",
		700027:  "of certificates, by the replies on record",
		501661:  "a twin of 50166, which no record distinguishes",
		900432:  "a twin of 900382, which no record distinguishes",
		50049:   "of hosts other than Entra ID's, which the network here refuses",
		70052:   "of multi-tenant apps: the fake's are of one tenant",
		530032:  "a twin of 53003, for security defaults",
		70011:   "of scopes that belong to no app: the fake returns 1002012",
		700231:  "of tenants whose token for token exchange was itself obtained with a federated credential",
		50013:   "of users' tokens, which no workload presents on its own; package entratest judges them",
		500131:  "likewise",
		500133:  "likewise",
		65001:   "likewise",
		50076:   "likewise",
		50079:   "likewise",
		7000222: "of expired client secrets, which the fake does not have",
		50173:   "of users, who do not sign in here",
		50196:   "of too many requests, which the fake does not count",

		// Entra ID's own trouble is only a reply.
		50033: "", 50087: "", 90006: "", 90012: "", 90024: "", 90033: "", 90055: "", 90090: "",
	}
	reached := map[int]bool{}
	for _, setup := range setups.Setups() {
		reached[setup.Code] = reached[setup.Code] || !setup.Transient
	}
	for _, entry := range hint.Catalogue() {
		_, excused := noState[entry.Code]
		require.NotEqual(t, reached[entry.Code], excused, entry.Code)
		delete(noState, entry.Code)
	}
	require.Empty(t, noState, "unknown codes")
}

// Only the reply shows that the authority's path is wrong: a proxy may need a path.
func TestAuthorityThatNamesATenantIsNamedWithItsFix(t *testing.T) {
	for path, wrong := range map[string]bool{
		"/" + tenantID: true, "/" + strings.ToUpper(tenantID) + "/": true, "/common": true, "/organizations/": true,
		"/99999999-4444-4555-8666-777777777777": true,
		"":                                      false, "/proxy": false, "/proxy/" + tenantID: false,
	} {
		t.Run(path, func(t *testing.T) {
			r := newRig(t)
			authority := "https://login.microsoftonline.com" + path
			t.Setenv("AZURE_AUTHORITY_HOST", authority)
			r.Entra.SetReply(&entratest.Reply{Status: 404, Body: "<h1>Not found</h1>"})
			_, err := r.credential(t).GetToken(t.Context(), scope(vault))
			require.ErrorContains(t, err, strings.TrimSuffix(authority, "/")+"/"+tenantID+"/oauth2/v2.0/token")
			require.Equal(t, wrong, strings.Contains(err.Error(), "likely cause: the authority's path already names a tenant"), err.Error())
			require.Equal(t, wrong, strings.Contains(err.Error(), "fix: remove the path from AZURE_AUTHORITY_HOST"), err.Error())
			require.Len(t, r.Entra.Requests(), 1)
		})
	}
}

func TestUnknownCodeHasNoHint(t *testing.T) {
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

// Entra ID tolerates a few minutes, and so does the fake. Beyond that, the hint names the file.
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
	setup, _ := setups.Of("another-namespace")
	require.NoError(t, setup.Break(pod))
	c := credentialOf(t, pod)
	_, err := c.GetToken(t.Context(), scope(vault))
	require.Regexp(t, `^credential: no token
  asked for:    scope "[^"]+", client ID "[^"]+", tenant "[^"]+"
  Entra said:   HTTP 401 Unauthorized, .*invalid_client: AADSTS700213: .*
  in short:     no federated credential of the issuer has the token's subject
  presented:    issuer "[^"]+", subject "system:serviceaccount:staging:orders", audience "[^"]+", expiry .*
  likely cause: no federated credential has the subject of service account .*
  fix:          create a federated credential with issuer .*
  IDs:          correlation ID [-0-9a-f]+, trace ID [-0-9a-f]+, time \S+$`, fmt.Sprintf("%+v", err))
	for _, verb := range []string{"%v", "%s"} {
		require.Equal(t, err.Error(), fmt.Sprintf(verb, err))
	}
	require.Equal(t, fmt.Sprintf("%q", err.Error()), fmt.Sprintf("%q", err))

	_, again := c.GetToken(t.Context(), scope(vault))
	require.Regexp(t, `\n  state: +failure 1, backing off: next attempt at .*\n  Entra said: `, fmt.Sprintf("%+v", again))

	_, other := c.GetToken(t.Context(), scope())
	require.Regexp(t, "^credential: no token\n  asked for: .*\n  error: +TokenRequestOptions.Scopes is empty: at least one scope is required, such as [^ ]+$", fmt.Sprintf("%+v", other))
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
