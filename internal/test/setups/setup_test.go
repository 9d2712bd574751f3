package setups_test

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
	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/internal/test/setups"
)

func TestTable(t *testing.T) {
	names, links, order := map[string]bool{}, map[string]int{}, 0
	for _, setup := range setups.Setups() {
		require.Regexp(t, regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`), setup.Name)
		require.False(t, names[setup.Name], "%s is listed twice", setup.Name)
		require.NotEmpty(t, setup.About)
		require.Less(t, len(setup.About), 120, setup.About)
		require.NotContains(t, setup.About, "\n")
		at := slices.Index(setups.Links(), setup.Link)
		require.GreaterOrEqual(t, at, order, "%s: %s", setup.Name, setup.Link)
		names[setup.Name], order = true, at
		links[setup.Link]++
		require.Equal(t, setup.Link != setups.Resource, len(setup.Words) > 0, setup.Name)
		found, ok := setups.Of(setup.Name)
		require.True(t, ok)
		require.Equal(t, setup.About, found.About)
	}
	require.GreaterOrEqual(t, len(names), 60)
	for _, link := range setups.Links() {
		require.GreaterOrEqual(t, links[link], 3, link)
	}
	_, ok := setups.Of("nothing")
	require.False(t, ok)
}

func TestRightPodReadsItsSecret(t *testing.T) {
	p := newPod(t)
	token, err := p.signIn(t)
	require.NoError(t, err)
	status, body := p.call(t, token)
	require.Equal(t, http.StatusOK, status, body)
}

// A pod can be broken after it was in use.
func TestEachSetupFailsInItsLink(t *testing.T) {
	for _, setup := range setups.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			p := newPod(t)
			_, err := p.signIn(t)
			require.NoError(t, err)
			require.NoError(t, setup.Break(p.Pod))

			token, err := p.signIn(t)
			require.Equal(t, setup.Link == setups.Resource, err == nil, err)
			if err == nil {
				status, body := p.call(t, token)
				require.NotEqual(t, http.StatusOK, status, body)
				return
			}
			requireNoSecret(t, p, err)
		})
	}
}

// requireNoSecret fails if the error holds any piece of what the pod presents, token or not.
func requireNoSecret(t *testing.T, p pod, err error) {
	t.Helper()
	presented, _ := os.ReadFile(p.Env["AZURE_FEDERATED_TOKEN_FILE"])
	if p.Options.Assertion != nil {
		token, _ := p.Options.Assertion(t.Context())
		presented = []byte(token)
	}
	text := fmt.Sprintf("%v\n%+v", err, err)
	for _, secret := range []string{string(presented), p.Projection.Token(), "hunter2hunter2"} {
		for piece := range slices.Chunk([]byte(strings.TrimSpace(secret)), 14) {
			require.False(t, len(piece) == 14 && strings.Contains(text, string(piece)), "the error holds a piece of the token")
		}
	}
	require.NotContains(t, text, "eyJhbGciOi")
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
		setup, ok := setups.Of(name)
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
	for _, presented := range []string{"", p.Projection.Token(), "x"} {
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

// Setups work in a bubble: time is virtual, and no socket is open.
func TestBubble(t *testing.T) {
	unset(t) // here, because a bubble cannot set the environment
	synctest.Test(t, func(t *testing.T) {
		links.Need(t)
		p, err := setups.NewPod(t.TempDir())
		require.NoError(t, err)
		p.Options.ClientID, p.Options.TenantID, p.Options.TokenFilePath = p.ClientID, p.TenantID, p.TokenFile
		setup, _ := setups.Of("issuer-without-slash")
		token, err := get(t, p)
		require.NoError(t, err)
		status, body := pod{p}.call(t, token)
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, setup.Break(p))
		_, err = get(t, p)
		require.ErrorContains(t, err, setup.Words[0])
	})
}

type pod struct{ *setups.Pod }

func newPod(t *testing.T) pod {
	t.Helper()
	links.Need(t)
	p, err := setups.NewPod(t.TempDir())
	require.NoError(t, err)
	return pod{p}
}

func unset(t *testing.T) {
	t.Helper()
	enter(t, &setups.Pod{})
}

func enter(t *testing.T, p *setups.Pod) {
	t.Helper()
	for _, name := range setups.EnvNames() {
		t.Setenv(name, "") // restores the old value at the end
	}
	require.NoError(t, p.Enter())
}

// signIn gets a token in the pod's environment.
func (p pod) signIn(t *testing.T) (string, error) {
	t.Helper()
	enter(t, p.Pod)
	return get(t, p.Pod)
}

func get(t *testing.T, p *setups.Pod) (string, error) {
	t.Helper()
	var token azcore.AccessToken
	c, err := credential.New(&p.Options)
	if err == nil {
		token, err = c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{p.Scope}})
	}
	return token.Token, err
}

// call reads the secret. The status is 0 if nobody answers.
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
