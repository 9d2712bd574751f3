package kubernetes_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	vault    = "https://vault.azure.net/.default"
)

// entra is the fake Entra ID, over TLS. It fetches the issuer's documents from kube-apiserver for
// each assertion.
type entra struct {
	entratest.Server
	authority string
	transport *http.Client // trusts the authority
}

// newEntra returns an Entra ID that trusts a workload of the cluster.
func newEntra(t *testing.T, w *workload) *entra {
	t.Helper()
	e := &entra{}
	var err error
	e.HTTPClient, err = cluster.anonymous()
	require.NoError(t, err)
	t.Cleanup(e.HTTPClient.CloseIdleConnections)
	require.NoError(t, e.Trust(entratest.FederatedCredential{
		TenantID: tenantID, ClientID: clientID,
		Issuer: cluster.issuer(), Subject: w.subject(), Audiences: []string{exchangeAudience},
	}))
	s := httptest.NewTLSServer(e)
	t.Cleanup(s.Close)
	e.authority, e.transport = s.URL, s.Client()
	return e
}

// options returns the options of a program in a pod that reads its token at path.
func (e *entra) options(path string) *credential.Options {
	o := &credential.Options{ClientID: clientID, TenantID: tenantID, TokenFilePath: path}
	o.Cloud.ActiveDirectoryAuthorityHost = e.authority
	o.Transport = e.transport
	return o
}

// credential returns that program's credential. It makes only one attempt, so a refusal is returned
// at once.
func (e *entra) credential(t *testing.T, path string) *credential.Credential {
	t.Helper()
	o := e.options(path)
	o.PropagationTimeout = -1
	return newCredential(t, o)
}

func newCredential(t *testing.T, o *credential.Options) *credential.Credential {
	t.Helper()
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "") // the only variable that these options do not override
	c, err := credential.New(o)
	require.NoError(t, err)
	return c
}

// assertions returns the assertions so far, in order. There must be no other requests.
func (e *entra) assertions(t *testing.T) []string {
	t.Helper()
	var assertions []string
	for _, r := range e.Requests() {
		require.Equal(t, entratest.KindToken, r.Kind)
		assertions = append(assertions, r.Assertion)
	}
	return assertions
}

func getToken(t *testing.T, c *credential.Credential) (azcore.AccessToken, error) {
	t.Helper()
	return c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}})
}

// signIn gets a token that does not come from the cache.
func signIn(t *testing.T, c *credential.Credential) azcore.AccessToken {
	t.Helper()
	token, err := getToken(t, c)
	require.NoError(t, err)
	c.Invalidate(token.Token)
	return token
}

// requireRefused requires Entra ID's refusal with code, and returns the error's text.
func requireRefused(t *testing.T, c *credential.Credential, code int) string {
	t.Helper()
	_, err := getToken(t, c)
	require.Error(t, err)
	refusal, ok := errors.AsType[*exchange.Error](err)
	require.Truef(t, ok, "%v", err)
	require.Equal(t, []int{code}, refusal.EntraCodes, "%v", err)
	return err.Error()
}
