package azure_test

import (
	"net/http"
	"strings"
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

// rig is a pod as the workload identity webhook sets it up, with its own network.
type rig struct {
	*network
	*entratest.Pod
	http    *http.Client
	options credential.Options
}

func newRig(t *testing.T) *rig {
	t.Helper()
	pod, err := entratest.NewPod(t.TempDir(), &entratest.PodOptions{TenantID: tenantID, ClientID: clientID})
	require.NoError(t, err)
	r := &rig{network: newNetwork(t), Pod: pod}
	r.http = r.client(t)
	r.serve(t, loginHost, r.Entra)
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "")
	for _, variable := range r.Env() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	r.options.Transport = r.http
	return r
}

// trust makes the application in another tenant trust the service account.
func (r *rig) trust(t *testing.T, tenant string) {
	t.Helper()
	there := r.Trusted
	there.TenantID = tenant
	require.NoError(t, r.Entra.Trust(there))
}

// trustAnother makes the application trust another service account instead of the rig's. Sign-in is
// then refused with AADSTS700213.
func (r *rig) trustAnother(t *testing.T) {
	t.Helper()
	require.NoError(t, r.Entra.Revoke(r.Trusted))
	r.Trusted.Subject = "system:serviceaccount:shop:checkout"
	require.NoError(t, r.Entra.Trust(r.Trusted))
}

func (r *rig) credential(t *testing.T) *credential.Credential {
	t.Helper()
	cred, err := credential.New(&r.options)
	require.NoError(t, err)
	return cred
}

// sdk returns an SDK client's options: this network, the policies, and no retries, so that the test
// can count requests.
func (r *rig) sdk(policies ...policy.Policy) azcore.ClientOptions {
	return azcore.ClientOptions{
		Transport:        r.http,
		Retry:            policy.RetryOptions{MaxRetries: -1},
		PerRetryPolicies: policies,
	}
}

// exchanges returns all token requests so far.
func (r *rig) exchanges() []entratest.Request { return r.requests(entratest.KindToken) }

func (r *rig) requests(kind entratest.Kind) []entratest.Request {
	var found []entratest.Request
	for _, request := range r.Entra.Requests() {
		if request.Kind == kind {
			found = append(found, request)
		}
	}
	return found
}
