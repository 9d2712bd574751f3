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
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	vault    = "https://vault.azure.net/.default"
	storage  = "https://storage.azure.com/.default"
)

// rig is a pod in a fake cluster and the fake Entra ID that it signs in to.
type rig struct {
	entra   entratest.Server
	cluster entratest.Cluster
	file    *entratest.Projection
	options credential.Options
}

// newRig returns a rig whose pod is set up right. The environment is cleared, so that the machine's own does not matter.
func newRig(t *testing.T) *rig {
	clearEnvironment(t)
	return newBareRig(t)
}

// newBareRig is newRig for use inside a bubble, where the environment cannot be changed.
func newBareRig(t *testing.T) *rig {
	r := &rig{}
	file, err := r.cluster.Project(t.TempDir(), "azure-identity-token", entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders", Pod: "orders-0", Lifetime: 24 * time.Hour})
	require.NoError(t, err)
	r.file = file
	r.options = credential.Options{ClientID: clientID, TenantID: tenantID, TokenFilePath: file.Path()}
	r.options.Transport = &r.entra
	return r
}

func (r *rig) credential(t *testing.T) *credential.Credential {
	t.Helper()
	c, err := credential.New(&r.options)
	require.NoError(t, err)
	return c
}

// bindingVariables are those of AKS identity bindings.
var bindingVariables = []string{"AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA"}

func clearEnvironment(t *testing.T) {
	for _, name := range append(bindingVariables,
		"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME") {
		t.Setenv(name, "")
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

// answering is a resource that always answers with the status and the challenges.
func answering(status int, challenges ...string) transportFunc {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Www-Authenticate": challenges}, Body: http.NoBody, Request: req}, nil
	}
}

type policyFunc func(*policy.Request) (*http.Response, error)

func (f policyFunc) Do(req *policy.Request) (*http.Response, error) { return f(req) }

// heading is a policy of the user's, which sets a header.
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
