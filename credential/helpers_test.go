package credential_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	vault    = "https://vault.azure.net/.default"
	storage  = "https://storage.azure.com/.default"
)

// rig is a pod, and the options of a program in it.
type rig struct {
	*entratest.Pod
	options credential.Options
}

// newRig returns a rig whose pod is set up correctly. It clears the environment, so that the
// machine's own does not matter.
func newRig(t *testing.T) *rig {
	clearEnvironment(t)
	return newBareRig(t)
}

// newBareRig is newRig for use inside a bubble, where the environment cannot be changed.
func newBareRig(t *testing.T) *rig {
	links.Need(t)
	pod, err := entratest.NewPod(t.TempDir(), &entratest.PodOptions{TenantID: tenantID, Token: entratest.TokenRequest{Lifetime: 24 * time.Hour}})
	require.NoError(t, err)
	r := &rig{Pod: pod, options: credential.Options{ClientID: pod.ClientID, TenantID: pod.TenantID, TokenFilePath: pod.TokenFile}}
	r.options.Transport = r.Entra
	return r
}

// reregister registers the pod with Entra ID under a different tenant or client ID.
func (r *rig) reregister(t *testing.T, tenantID, clientID string) {
	t.Helper()
	require.NoError(t, r.Entra.Revoke(r.Trusted))
	r.Trusted.TenantID, r.Trusted.ClientID = tenantID, clientID
	require.NoError(t, r.Entra.Trust(r.Trusted))
}

func (r *rig) credential(t *testing.T) *credential.Credential {
	t.Helper()
	c, err := credential.New(&r.options)
	require.NoError(t, err)
	return c
}

// bindingVariables are the variables of AKS identity bindings.
var bindingVariables = []string{"AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA"}

func clearEnvironment(t *testing.T) {
	for _, name := range append(bindingVariables,
		"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME") {
		t.Setenv(name, "") // restores the old value at the end
		require.NoError(t, os.Unsetenv(name))
	}
}

func scope(scopes ...string) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: scopes}
}

func get(t *testing.T, c *credential.Credential, options policy.TokenRequestOptions) azcore.AccessToken {
	t.Helper()
	token, err := c.GetToken(context.Background(), options)
	require.NoError(t, err)
	require.NotEmpty(t, token.Token)
	return token
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) Do(req *http.Request) (*http.Response, error) { return f(req) }

// answering returns a resource that always answers with the status and the challenges.
func answering(status int, challenges ...string) transportFunc {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Www-Authenticate": challenges}, Body: http.NoBody, Request: req}, nil
	}
}

type policyFunc func(*policy.Request) (*http.Response, error)

func (f policyFunc) Do(req *policy.Request) (*http.Response, error) { return f(req) }

// heading is a user's policy that sets a header.
func heading(name string) policy.Policy {
	return policyFunc(func(req *policy.Request) (*http.Response, error) {
		req.Raw().Header.Set(name, "yes")
		return req.Next()
	})
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func writeOver(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}
