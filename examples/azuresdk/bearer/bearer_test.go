package bearer_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/bearer"
	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const scope = "https://api.example/.default"

func newPod(t *testing.T, service http.HandlerFunc) *pod.Pod {
	t.Helper()
	p := pod.New()
	t.Cleanup(p.Close)
	p.Serve("api.example", "https://api.example", service)
	return p
}

func client(p *pod.Pod, cred *credential.Credential) *http.Client {
	return &http.Client{Transport: &bearer.Transport{Credential: cred, Scope: scope, Host: "api.example", Base: p.HTTP().Transport}}
}

func ok(http.ResponseWriter, *http.Request) {}

func get(t *testing.T, c *http.Client, url string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := c.Do(request)
	if err != nil {
		return 0, err
	}
	require.NoError(t, response.Body.Close())
	assert.Empty(t, request.Header, "the caller's request is unchanged")
	return response.StatusCode, nil
}

func TestOneExchangeForManyRequests(t *testing.T) {
	p := newPod(t, ok)
	c := client(p, p.Credential())
	for range 3 {
		status, err := get(t, c, "https://api.example/orders")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
	}
	assert.Equal(t, 1, p.Exchanges())
}

func TestRefusedTokenIsReplaced(t *testing.T) {
	p := newPod(t, ok)
	cred := p.Credential()
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
	require.NoError(t, err)
	p.Revoke(token.Token)
	c := client(p, cred)

	for _, want := range []int{http.StatusUnauthorized, http.StatusOK} {
		status, err := get(t, c, "https://api.example/orders")
		require.NoError(t, err)
		assert.Equal(t, want, status)
	}
	assert.Equal(t, 2, p.Exchanges())
}

// Otherwise each request would cost an exchange, and Entra ID would throttle the identity.
func TestServiceThatRefusesEveryTokenCostsOneReplacement(t *testing.T) {
	p := newPod(t, ok)
	p.Serve("closed.example", scope, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	c := &http.Client{Transport: &bearer.Transport{Credential: p.Credential(), Scope: scope, Host: "closed.example", Base: p.HTTP().Transport}}
	for range 20 {
		status, err := get(t, c, "https://closed.example/orders")
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, status)
	}
	assert.Equal(t, 2, p.Exchanges())
}

func TestTokenStaysWithItsHost(t *testing.T) {
	p := newPod(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusTemporaryRedirect)
	})
	p.Serve("elsewhere.example", "https://api.example", func(http.ResponseWriter, *http.Request) { t.Error("the token went elsewhere") })
	c := client(p, p.Credential())

	for _, url := range []string{"https://api.example/", "https://elsewhere.example/", "http://api.example/", "https://api.example:8443/"} {
		_, err := get(t, c, url)
		require.ErrorContains(t, err, "the token is for https://api.example, not for ")
	}
}

func TestRefusalOfEntra(t *testing.T) {
	p := newPod(t, ok)
	p.Entra.SetReply(new(entratest.Refuse(700016)))
	body := &closed{Reader: strings.NewReader("{}")}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.example/", body)
	require.NoError(t, err)

	response, err := client(p, p.Credential()).Do(request)

	var refusal *exchange.Error
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, []int{700016}, refusal.EntraCodes)
	assert.Nil(t, response)
	assert.True(t, body.is)
}

type closed struct {
	io.Reader
	is bool
}

func (c *closed) Close() error {
	c.is = true
	return nil
}
