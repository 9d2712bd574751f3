package entratest_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
)

// present returns Entra's reply to the pod's token.
func present(t *testing.T, p *entratest.Pod) (*http.Response, string) {
	t.Helper()
	token, err := os.ReadFile(p.TokenFile)
	require.NoError(t, err)
	form := with(with(validForm(t), "client_id", p.ClientID), "client_assertion", string(token))
	target := p.AuthorityHost + url.PathEscape(p.TenantID) + "/oauth2/v2.0/token"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, p.Entra, r)
}

func TestPodSignsIn(t *testing.T) {
	links.Need(t)
	for name, options := range map[string]*entratest.PodOptions{
		"by default":        nil,
		"another account":   {Token: entratest.TokenRequest{Namespace: "pay", ServiceAccount: "billing"}},
		"another audience":  {Token: entratest.TokenRequest{Audiences: []string{"api://AzureADTokenExchangeUSGov"}}},
		"another identity":  {ClientID: "checkout", TenantID: "contoso.com"},
		"another cluster":   {Cluster: &entratest.Cluster{Issuer: "https://issuer.example"}},
		"another authority": {AuthorityHost: "https://login.microsoftonline.us/"},
		"webhook v1.5.1":    {TokenPath: "azure-identity-token"},
		"a shared Entra ID": {Entra: new(entratest.Server)},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := entratest.NewPod(t.TempDir(), options)
			require.NoError(t, err)
			reply, body := present(t, p)
			assert.Equal(t, http.StatusOK, reply.StatusCode, body)
			require.NoError(t, p.Projection.Rotate())
			reply, body = present(t, p)
			assert.Equal(t, http.StatusOK, reply.StatusCode, body)
		})
	}
}

// A revoked pod is refused, so the server does not simply accept everything.
func TestRevokedPodIsRefused(t *testing.T) {
	links.Need(t)
	p, err := entratest.NewPod(t.TempDir(), nil)
	require.NoError(t, err)
	require.NoError(t, p.Entra.Revoke(p.Trusted))
	reply, body := present(t, p)
	assert.Equal(t, http.StatusUnauthorized, reply.StatusCode)
	assert.Contains(t, body, "AADSTS70025")
}

func TestPodTokenIsWhereTheWebhookPutsIt(t *testing.T) {
	links.Need(t)
	dir := t.TempDir()
	p, err := entratest.NewPod(dir, nil)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "token", "azure-identity-token"), p.TokenFile)
	_, err = os.Lstat(filepath.Join(dir, "..data"))
	assert.NoError(t, err)
}

func TestPodEnvIsTheWebhooks(t *testing.T) {
	links.Need(t)
	p, err := entratest.NewPod(t.TempDir(), nil)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"AZURE_CLIENT_ID=" + p.ClientID,
		"AZURE_TENANT_ID=" + p.TenantID,
		"AZURE_FEDERATED_TOKEN_FILE=" + p.TokenFile,
		"AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/",
	}, p.Env())
}

func TestTwoPodsShareAClusterAndAnEntra(t *testing.T) {
	links.Need(t)
	first, err := entratest.NewPod(t.TempDir(), nil)
	require.NoError(t, err)
	second, err := entratest.NewPod(t.TempDir(), &entratest.PodOptions{
		Entra: first.Entra, Cluster: first.Cluster, ClientID: "checkout", Token: entratest.TokenRequest{ServiceAccount: "checkout"},
	})
	require.NoError(t, err)
	for _, p := range []*entratest.Pod{first, second} {
		reply, body := present(t, p)
		assert.Equal(t, http.StatusOK, reply.StatusCode, body)
	}
}

func TestPodWithAnHTTPClientFetchesTheIssuersDocuments(t *testing.T) {
	links.Need(t)
	published := new(entratest.Cluster) // same issuer and key as the pod's cluster
	p, err := entratest.NewPod(t.TempDir(), &entratest.PodOptions{
		Entra: &entratest.Server{HTTPClient: &http.Client{Transport: published}},
	})
	require.NoError(t, err)
	reply, body := present(t, p)
	assert.Equal(t, http.StatusOK, reply.StatusCode, body)

	published.SetUnavailable(true)
	_, body = present(t, p)
	assert.Contains(t, body, "AADSTS90061")
}

func TestNewPodReportsErrors(t *testing.T) {
	links.Need(t)
	_, err := entratest.NewPod(t.TempDir(), &entratest.PodOptions{Cluster: &entratest.Cluster{Issuer: "kubernetes/serviceaccount"}})
	assert.ErrorContains(t, err, `the Issuer "kubernetes/serviceaccount" is not an https URL`)

	dir := t.TempDir()
	_, err = entratest.NewPod(dir, nil)
	require.NoError(t, err)
	_, err = entratest.NewPod(dir, nil)
	assert.ErrorContains(t, err, "already holds a projection")
}

// An http.Client reaches the fakes without a socket.
func TestFakesAreRoundTrippers(t *testing.T) {
	links.Need(t)
	p, err := entratest.NewPod(t.TempDir(), nil)
	require.NoError(t, err)
	for document, fake := range map[string]http.RoundTripper{
		p.AuthorityHost + p.TenantID + "/v2.0/.well-known/openid-configuration":                p.Entra,
		entratest.DefaultIssuer + ".well-known/openid-configuration":                           p.Cluster,
		"https://proxy.example/proxy/" + p.TenantID + "/v2.0/.well-known/openid-configuration": &entratest.TokenProxy{Server: p.Entra, Path: "/proxy"},
	} {
		reply, err := (&http.Client{Transport: fake}).Do(get(t, document))
		require.NoError(t, err)
		read(t, reply)
		assert.Equal(t, http.StatusOK, reply.StatusCode, document)
	}
}
