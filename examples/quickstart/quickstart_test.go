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
	"github.com/entrafed/entrafed/tokenfile"
)

// The one test that takes real time, as much as the program does.
func TestEmbeddedMode(t *testing.T) {
	clearEnvironment(t)
	l, seen := newLoopback(t)
	var out bytes.Buffer

	require.NoError(t, demonstrate(t.Context(), &out, l))

	checkChain(t, out.String())
	checkFacts(t, out.String(), l)
	requests := l.entra.Requests()
	require.Len(t, requests, 3, "one for each resource, one in the background")
	assert.Equal(t, []string{vault, storage, vault}, []string{requests[0].Scope, requests[1].Scope, requests[2].Scope})
	for _, r := range requests {
		assert.Equal(t, entratest.KindToken, r.Kind)
	}
	assert.Equal(t, requests[0].Assertion, requests[1].Assertion)
	assert.NotEqual(t, requests[0].Assertion, requests[2].Assertion)
	assert.Equal(t, l.volume.Token(), requests[2].Assertion, "the rotated token is the one presented")
	assert.Contains(t, out.String(), "with federated token "+tokenID(requests[2].Assertion))
	assert.Contains(t, out.String(), "became "+fingerprint(seen.accessTokens()[2]))
	checkNoSecret(t, out.String(), l, seen)
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 100, line)
	}
}

func TestNothingConfiguredIsEmbeddedMode(t *testing.T) {
	clearEnvironment(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the mode is chosen and told before anything takes time
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
	assert.Contains(t, firstLine(out.String()), strings.TrimPrefix(l.options.Cloud.ActiveDirectoryAuthorityHost, "https://"))
	for _, name := range azureVariables {
		assert.Contains(t, out.String(), name)
	}
	checkChain(t, out.String())
	checkFacts(t, out.String(), l)
	requests := l.entra.Requests()
	require.Len(t, requests, 1)
	assert.Equal(t, s.scope, requests[0].Scope)
	checkNoSecret(t, out.String(), l, seen)
}

func TestRealModeReturnsTheRefusal(t *testing.T) {
	l, seen := newLoopback(t)
	s := configure(t, l)
	l.entra.SetReply(new(entratest.Refuse(90002))) // no such tenant
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
			assert.Empty(t, l.entra.Requests())
		})
	}
}

func TestATokenInPlaceOfItsPathIsNotShown(t *testing.T) {
	l, seen := newLoopback(t)
	s := configure(t, l)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", l.volume.Token())
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

// configure sets the environment as the webhook would for the pod. Only the trust in the server's certificate is an option.
func configure(t *testing.T, l *loopback) *settings {
	t.Helper()
	t.Setenv("AZURE_CLIENT_ID", l.options.ClientID)
	t.Setenv("AZURE_TENANT_ID", l.options.TenantID)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", l.options.TokenFilePath)
	t.Setenv("AZURE_AUTHORITY_HOST", l.options.Cloud.ActiveDirectoryAuthorityHost)
	s := &settings{scope: "https://management.azure.com/.default", timeout: time.Minute}
	s.options.Transport = l.options.Transport
	return s
}

// recorder is a transport that remembers the access tokens that came through it.
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

// checkChain checks that all links are there, in their order.
func checkChain(t *testing.T, out string) {
	t.Helper()
	rest := "\n" + out
	for _, name := range []string{"service account", "OIDC issuer", "federated credential", "managed identity", "access token"} {
		_, after, found := strings.Cut(rest, "\n  "+name+" ")
		require.True(t, found, "%s is missing or out of order in\n%s", name, out)
		rest = after
	}
}

// checkFacts checks what makes each link this one and no other.
func checkFacts(t *testing.T, out string, l *loopback) {
	t.Helper()
	token, err := tokenfile.Parse(l.volume.Token())
	require.NoError(t, err)
	for _, want := range []string{
		"name      shop/checkout\n", "pod       checkout-0\n", l.volume.Path(),
		"url       " + token.Issuer + "\n", "audience  api://AzureADTokenExchange\n",
		"issuer    " + token.Issuer + "\n", "subject   system:serviceaccount:shop:checkout\n",
		"client    " + clientID + "\n", "tenant    " + tenantID + "\n",
		"iss       https://sts.windows.net/" + tenantID + "/\n", "appid     " + clientID + "\n", "oid       ", "sha256    ",
	} {
		assert.Contains(t, out, want)
	}
}

// checkNoSecret checks that the output has nothing of a token: no eight characters in a row.
func checkNoSecret(t *testing.T, out string, l *loopback, seen *recorder) {
	t.Helper()
	secrets := append(seen.accessTokens(), l.volume.Token())
	for _, r := range l.entra.Requests() {
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
