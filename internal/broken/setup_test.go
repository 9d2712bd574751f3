package broken_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/internal/broken"
)

func TestTable(t *testing.T) {
	names, links, order := map[string]bool{}, map[string]int{}, 0
	for _, setup := range broken.Setups() {
		require.Regexp(t, regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`), setup.Name)
		require.False(t, names[setup.Name], "%s is there twice", setup.Name)
		require.NotEmpty(t, setup.About)
		require.Less(t, len(setup.About), 120, setup.About)
		require.NotContains(t, setup.About, "\n")
		at := slices.Index(broken.Links(), setup.Link)
		require.GreaterOrEqual(t, at, order, "%s: %s", setup.Name, setup.Link)
		names[setup.Name], order = true, at
		links[setup.Link]++
		require.Equal(t, setup.Link != broken.Resource, len(setup.Words) > 0, setup.Name)
		found, ok := broken.Of(setup.Name)
		require.True(t, ok)
		require.Equal(t, setup.About, found.About)
	}
	require.GreaterOrEqual(t, len(names), 60)
	for _, link := range broken.Links() {
		require.GreaterOrEqual(t, links[link], 3, link)
	}
	_, ok := broken.Of("nothing")
	require.False(t, ok)
}

func TestRightPodReadsItsSecret(t *testing.T) {
	p := newPod(t)
	token, err := p.signIn(t)
	require.NoError(t, err)
	status, body := p.call(t, token)
	require.Equal(t, http.StatusOK, status, body)
}

// The pod outlives what breaks it: that it was in use before does not matter.
func TestEachSetupFailsInItsLink(t *testing.T) {
	for _, setup := range broken.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			p := newPod(t)
			_, err := p.signIn(t)
			require.NoError(t, err)
			require.NoError(t, setup.Break(p.Pod))

			token, err := p.signIn(t)
			require.Equal(t, setup.Link == broken.Resource, err == nil, err)
			if err == nil {
				status, body := p.call(t, token)
				require.NotEqual(t, http.StatusOK, status, body)
				return
			}
			requireNoSecret(t, p, err)
		})
	}
}

// requireNoSecret looks for what the pod presents, be it a token or not, and for pieces of it.
func requireNoSecret(t *testing.T, p pod, err error) {
	t.Helper()
	presented, _ := os.ReadFile(p.Env["AZURE_FEDERATED_TOKEN_FILE"])
	if p.Options.Assertion != nil {
		token, _ := p.Options.Assertion(t.Context())
		presented = []byte(token)
	}
	text := fmt.Sprintf("%v\n%+v", err, err)
	for _, secret := range []string{string(presented), p.Volume.Token(), "hunter2hunter2"} {
		for piece := range slices.Chunk([]byte(strings.TrimSpace(secret)), 14) {
			require.False(t, len(piece) == 14 && strings.Contains(text, string(piece)), "the error holds a piece of the token")
		}
	}
	require.NotContains(t, text, "eyJ")
}

func TestSecretOfOrders(t *testing.T) {
	for name, want := range map[string]struct {
		status int
		says   []string
	}{
		"token-for-another-resource": {401, []string{"AKV10022", "found: https://storage.azure.com."}},
		"vault-of-another-tenant":    {401, []string{"AKV10032", "found https://sts.windows.net/10000000-"}},
		"token-revoked":              {401, nil},
		"no-role-assignment":         {403, []string{"ForbiddenByRbac", "oid="}},
		"vault-firewall":             {403, []string{"ForbiddenByFirewall"}},
	} {
		p := newPod(t)
		setup, ok := broken.Of(name)
		require.True(t, ok, name)
		require.NoError(t, setup.Break(p.Pod))
		token, err := p.signIn(t)
		require.NoError(t, err)
		status, body := p.call(t, token)
		require.Equal(t, want.status, status, body)
		for _, says := range want.says {
			require.Contains(t, body, says)
		}
		require.NotContains(t, body, token)
	}

	p := newPod(t)
	token, err := p.signIn(t)
	require.NoError(t, err)
	p.Resource = strings.Replace(p.Resource, "greeting", "farewell", 1)
	status, body := p.call(t, token)
	require.Equal(t, http.StatusNotFound, status, body)
	for _, presented := range []string{"", p.Volume.Token(), "x"} {
		status, body := p.call(t, presented)
		require.Equal(t, http.StatusUnauthorized, status, body)
	}
}

func TestNothingElseIsReached(t *testing.T) {
	p := newPod(t)
	_, err := p.HTTPClient.Get("https://example.com/")
	require.ErrorContains(t, err, "no such host")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Resource, nil)
	require.NoError(t, err)
	_, err = p.HTTPClient.Do(r)
	require.ErrorIs(t, err, context.Canceled)
}

// Time is the bubble's, and there is no socket in it.
func TestBubble(t *testing.T) {
	unset(t) // here, because a bubble cannot
	synctest.Test(t, func(t *testing.T) {
		p, err := broken.NewPod(t.TempDir())
		require.NoError(t, err)
		p.Options.ClientID, p.Options.TenantID, p.Options.TokenFilePath = p.Env["AZURE_CLIENT_ID"], p.Env["AZURE_TENANT_ID"], p.Volume.Path()
		setup, _ := broken.Of("issuer-without-slash")
		token, err := get(t, p)
		require.NoError(t, err)
		status, body := pod{p}.call(t, token)
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, setup.Break(p))
		_, err = get(t, p)
		require.ErrorContains(t, err, setup.Words[0])
	})
}

type pod struct{ *broken.Pod }

func newPod(t *testing.T) pod {
	t.Helper()
	p, err := broken.NewPod(t.TempDir())
	require.NoError(t, err)
	return pod{p}
}

func unset(t *testing.T) {
	t.Helper()
	for _, name := range broken.EnvNames() {
		t.Setenv(name, "")
	}
}

// signIn gets a token in the pod's environment.
func (p pod) signIn(t *testing.T) (string, error) {
	t.Helper()
	unset(t)
	for name, value := range p.Env {
		t.Setenv(name, value)
	}
	return get(t, p.Pod)
}

func get(t *testing.T, p *broken.Pod) (string, error) {
	t.Helper()
	var token azcore.AccessToken
	c, err := credential.New(&p.Options)
	if err == nil {
		token, err = c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{p.Scope}})
	}
	return token.Token, err
}

// call reads the secret. The status is 0 where nobody answers.
func (p pod) call(t *testing.T, token string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Resource, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	reply, err := p.HTTPClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer reply.Body.Close()
	require.Equal(t, reply.StatusCode == http.StatusUnauthorized, reply.Header.Get("WWW-Authenticate") != "")
	text, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	return reply.StatusCode, string(text)
}
