package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/tokenfile"
)

// This test takes as much real time as the program does. No other test takes real time.
func TestEmbeddedMode(t *testing.T) {
	clearEnvironment(t)
	l, seen := newLoopback(t)
	var out bytes.Buffer

	require.NoError(t, demonstrate(t.Context(), &out, l))

	checkChain(t, out.String())
	checkFacts(t, out.String(), l)
	requests := l.Entra.Requests()
	require.Len(t, requests, 3, "one for each resource, one in the background")
	assert.Equal(t, []string{vault, storage, vault}, []string{requests[0].Scope, requests[1].Scope, requests[2].Scope})
	for _, r := range requests {
		assert.Equal(t, entratest.KindToken, r.Kind)
	}
	assert.Equal(t, requests[0].Assertion, requests[1].Assertion)
	assert.NotEqual(t, requests[0].Assertion, requests[2].Assertion)
	assert.Equal(t, l.Projection.Token(), requests[2].Assertion, "the rotated token is the one presented")
	assert.Contains(t, out.String(), "with federated token "+tokenID(requests[2].Assertion))
	assert.Contains(t, out.String(), "became "+fingerprint(seen.accessTokens()[2]))
	checkNoSecret(t, out.String(), l, seen)
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 100, line)
	}
}

func TestNothingConfiguredIsEmbeddedMode(t *testing.T) {
	links.Need(t)
	clearEnvironment(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the mode is chosen and printed before anything takes time
	var out bytes.Buffer

	err := run(ctx, &out, &settings{timeout: time.Minute})

	require.ErrorIs(t, err, context.Canceled)
	assert.Contains(t, firstLine(out.String()), "embedded mode")
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left, "temporary files")
}

func TestRealMode(t *testing.T) {
	l, seen := newLoopback(t)
	s := configure(t, l)
	var out bytes.Buffer

	require.NoError(t, run(t.Context(), &out, s))

	assert.Contains(t, firstLine(out.String()), "real mode")
	assert.Contains(t, firstLine(out.String()), l.servers[1].Listener.Addr().String())
	for _, name := range azureVariables {
		assert.Contains(t, out.String(), name)
	}
	checkChain(t, out.String())
	checkFacts(t, out.String(), l)
	requests := l.Entra.Requests()
	require.Len(t, requests, 1)
	assert.Equal(t, s.scope, requests[0].Scope)
	checkNoSecret(t, out.String(), l, seen)
}

func TestRealModeReturnsTheRefusal(t *testing.T) {
	l, seen := newLoopback(t)
	s := configure(t, l)
	l.Entra.SetReply(new(entratest.Refuse(90002))) // no such tenant
	var out bytes.Buffer

	err := run(t.Context(), &out, s)

	var refusal *exchange.Error
	require.ErrorAs(t, err, &refusal)
	assert.Contains(t, refusal.EntraCodes, 90002, err)
	assert.Contains(t, firstLine(out.String()), "real mode")
	checkNoSecret(t, out.String()+err.Error(), l, seen)
}

func TestPartOfTheEnvironmentIsRealMode(t *testing.T) {
	l, _ := newLoopback(t)
	for _, missing := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"} {
		t.Run(missing, func(t *testing.T) {
			s := configure(t, l)
			t.Setenv(missing, "")
			var out bytes.Buffer

			err := run(t.Context(), &out, s)

			require.ErrorContains(t, err, missing)
			require.NotErrorIs(t, err, credential.ErrNotConfigured)
			assert.Contains(t, firstLine(out.String()), "real mode")
			assert.Empty(t, l.Entra.Requests())
		})
	}
}

func TestATokenInPlaceOfItsPathIsNotShown(t *testing.T) {
	l, seen := newLoopback(t)
	s := configure(t, l)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", l.Projection.Token())
	var out bytes.Buffer

	err := run(t.Context(), &out, s)

	require.Error(t, err)
	checkNoSecret(t, out.String()+err.Error(), l, seen)
}

func TestAccessTokenThatCannotBeRead(t *testing.T) {
	for token, want := range map[string]string{
		"header.key.iv.ciphertext.tag": "encrypted",
		"opaque":                       "not a JWT",
		"a.b.c":                        "not a JWT",
	} {
		facts := accessToken(azcore.AccessToken{Token: token})
		assert.Contains(t, facts[0].value, want, token)
		assert.Equal(t, fact{"sha256", fingerprint(token)}, facts[len(facts)-1], token)
	}
}

func TestPrintable(t *testing.T) {
	assert.Equal(t, "a\uFFFD[31mb", printable("a\x1b[31mb"))
}

func TestBrief(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "84ns": 84, "1.23µs": 1234, "12.3µs": 12345, "123ms": 123456789, "1.85s": 1849 * time.Millisecond,
	} {
		assert.Equal(t, want, brief(d))
	}
}

var azureVariables = []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"}

func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range azureVariables {
		t.Setenv(name, "")
	}
}

// newLoopback starts a loopback whose pod signs in through a recorder.
func newLoopback(t *testing.T) (*loopback, *recorder) {
	t.Helper()
	links.Need(t)
	l, err := startLoopback()
	require.NoError(t, err)
	t.Cleanup(func() {
		l.close()
		assert.NoDirExists(t, l.dir)
	})
	seen := &recorder{client: l.client}
	l.options.Transport = seen
	return l, seen
}

// configure sets the environment as the webhook does in a pod. Only the trust in the server's
// certificate is an option.
func configure(t *testing.T, l *loopback) *settings {
	t.Helper()
	for _, variable := range l.Env() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	s := &settings{scope: "https://management.azure.com/.default", timeout: time.Minute}
	s.options.Transport = l.options.Transport
	return s
}

// recorder is a transport that records the access tokens that pass through it.
type recorder struct {
	client *http.Client
	mu     sync.Mutex
	tokens []string
}

func (r *recorder) Do(request *http.Request) (*http.Response, error) {
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	var reply struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(body, &reply) == nil && reply.AccessToken != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tokens = append(r.tokens, reply.AccessToken)
	}
	return response, nil
}

func (r *recorder) accessTokens() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.tokens...)
}

// checkChain checks that all links are present, in order.
func checkChain(t *testing.T, out string) {
	t.Helper()
	rest := "\n" + out
	for _, name := range []string{"service account", "OIDC issuer", "federated credential", "managed identity", "access token"} {
		_, after, found := strings.Cut(rest, "\n  "+name+" ")
		require.True(t, found, "%s is missing or out of order in\n%s", name, out)
		rest = after
	}
}

// checkFacts checks the facts that identify each link.
func checkFacts(t *testing.T, out string, l *loopback) {
	t.Helper()
	token, err := tokenfile.Parse(l.Projection.Token())
	require.NoError(t, err)
	for _, want := range []string{
		"name      shop/orders\n", "pod       orders-0\n", l.TokenFile,
		"url       " + token.Issuer + "\n", "audience  api://AzureADTokenExchange\n",
		"issuer    " + token.Issuer + "\n", "subject   system:serviceaccount:shop:orders\n",
		"client    " + l.ClientID + "\n", "tenant    " + l.TenantID + "\n",
		"iss       https://sts.windows.net/" + l.TenantID + "/\n", "appid     " + l.ClientID + "\n", "oid       ", "sha256    ",
	} {
		assert.Contains(t, out, want)
	}
}

// checkNoSecret checks that the output holds no eight consecutive characters of a token.
func checkNoSecret(t *testing.T, out string, l *loopback, seen *recorder) {
	t.Helper()
	secrets := append(seen.accessTokens(), l.Projection.Token())
	for _, r := range l.Entra.Requests() {
		secrets = append(secrets, r.Assertion)
	}
	const piece = 8
	for _, secret := range secrets {
		for i := range len(secret) - piece + 1 {
			if strings.Contains(out, secret[i:i+piece]) {
				t.Errorf("the output has a piece of a token, from its character %d on", i)
				break
			}
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func TestUnknownArgumentsAreErrors(t *testing.T) {
	for _, args := range [][]string{{"junk"}, {"-scope", "s", "junk"}, {"junk", "-scope", "s"}, {"-junk"}} {
		var errs bytes.Buffer
		_, err := parse(args, &errs)
		require.ErrorContains(t, err, "junk")
		assert.Contains(t, errs.String(), "junk")
	}
	s, err := parse([]string{"-scope", "s", "-timeout", "1s"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, &settings{scope: "s", timeout: time.Second}, s)
}

// A password or token that was set by mistake is not shown.
func TestEnvironmentIsShownWithoutSecrets(t *testing.T) {
	clearEnvironment(t)
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
	t.Setenv("AZURE_CLIENT_ID", token)
	t.Setenv("AZURE_AUTHORITY_HOST", "https://user:hunter2@login.example/")
	var out bytes.Buffer
	printEnvironment(&out)
	assert.NotContains(t, out.String(), "c2lnbmF0dXJl")
	assert.NotContains(t, out.String(), "hunter2")
}

// A misplaced secret is not printed.
func TestWrongFlagsQuoteNoSecret(t *testing.T) {
	for _, plant := range []string{"https://user:hunter2@a.example/", "https://a.example/?sig=hunter2", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.hunter2"} {
		for _, arg := range []string{plant, "-timeout=" + plant, "-nonesuch=" + plant, "-" + plant} {
			var errs bytes.Buffer
			_, err := parse([]string{arg}, &errs)
			require.Error(t, err, arg)
			assert.NotContains(t, errs.String(), "hunter2")
			assert.NotContains(t, errs.String(), "eyJhbGciOi")
		}
	}
}
