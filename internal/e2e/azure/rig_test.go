package azure_test

import (
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	loginHost   = "login.microsoftonline.com"
	clientID    = "11111111-2222-4333-8444-555555555555"
	tenantID    = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	otherTenant = "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff"
)

// rig is a pod as the workload identity webhook sets it up, with a strict Entra ID that trusts its service account.
type rig struct {
	*network
	http    *http.Client
	entra   entratest.Server
	cluster entratest.Cluster
	file    *entratest.Projection
	options credential.Options
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{network: newNetwork(t)}
	r.http = r.client(t)
	r.serve(t, loginHost, &r.entra)
	r.trust(t, tenantID)

	file, err := r.cluster.Project(t.TempDir(), "azure-identity-token", r.serviceAccount())
	require.NoError(t, err)
	r.file = file
	for name, value := range map[string]string{
		"AZURE_CLIENT_ID": clientID, "AZURE_TENANT_ID": tenantID, "AZURE_FEDERATED_TOKEN_FILE": file.Path(),
		"AZURE_AUTHORITY_HOST": "https://" + loginHost + "/", "AZURE_REGIONAL_AUTHORITY_NAME": "",
	} {
		t.Setenv(name, value)
	}
	r.options.Transport = r.http
	return r
}

func (r *rig) serviceAccount() entratest.TokenRequest {
	return entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders", Pod: "orders-0"}
}

// trust registers the service account with the application in a tenant.
func (r *rig) trust(t *testing.T, tenant string) {
	t.Helper()
	require.NoError(t, r.entra.TrustCluster(&r.cluster, entratest.FederatedCredential{
		TenantID: tenant, ClientID: clientID, Subject: "system:serviceaccount:shop:orders",
	}))
}

// trustAnother makes the application trust another service account than the rig's, so that sign-in is refused with 700213.
func (r *rig) trustAnother(t *testing.T) {
	t.Helper()
	ours := entratest.FederatedCredential{
		TenantID: tenantID, ClientID: clientID, Issuer: entratest.DefaultIssuer, Subject: "system:serviceaccount:shop:orders",
	}
	require.NoError(t, r.entra.Revoke(ours))
	another := ours
	another.Subject = "system:serviceaccount:shop:checkout"
	require.NoError(t, r.entra.TrustCluster(&r.cluster, another))
}

func (r *rig) credential(t *testing.T) *credential.Credential {
	t.Helper()
	cred, err := credential.New(&r.options)
	require.NoError(t, err)
	return cred
}

// sdk returns the options of an SDK client: this network, policies if any, and no retries, so that every request is one that
// the test can count.
func (r *rig) sdk(policies ...policy.Policy) azcore.ClientOptions {
	return azcore.ClientOptions{
		Transport:        r.http,
		Retry:            policy.RetryOptions{MaxRetries: -1},
		PerRetryPolicies: policies,
	}
}

// exchanges returns the token requests so far.
func (r *rig) exchanges() []entratest.Request { return r.requests(entratest.KindToken) }

func (r *rig) requests(kind entratest.Kind) []entratest.Request {
	var found []entratest.Request
	for _, request := range r.entra.Requests() {
		if request.Kind == kind {
			found = append(found, request)
		}
	}
	return found
}
