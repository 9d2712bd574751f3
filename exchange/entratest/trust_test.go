package entratest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestTrustClusterNeedsNoNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s entratest.Server
		var cluster entratest.Cluster
		require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
		assert.Zero(t, codeOf(t, &s, inCluster(t, &cluster)))
		form := inCluster(t, &cluster)
		time.Sleep(time.Hour + 5*time.Minute + time.Nanosecond)
		assert.Equal(t, 700024, codeOf(t, &s, form))
	})
}

func TestTrustClusterRegistersTheValidCredentials(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	err := s.TrustCluster(&cluster, entratest.FederatedCredential{TenantID: "contoso"}, clusterCredential())
	require.ErrorContains(t, err, "ClientID is empty")
	assert.Zero(t, codeOf(t, &s, inCluster(t, &cluster)))
}

func TestTrustClusterWithoutCredentialsKeepsTheServerLenient(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster))
	assert.Zero(t, codeOf(t, &s, with(validForm(t), "client_assertion", jwtOf(`{}`, `{}`))))

	c := clusterCredential()
	c.Issuer = entratest.DefaultIssuer
	require.NoError(t, s.Trust(c))
	assert.Zero(t, codeOf(t, &s, inCluster(t, &cluster)))
}

func TestTwoClustersCannotShareAnIssuer(t *testing.T) {
	var s entratest.Server
	var first, second entratest.Cluster
	first.RotateKey()
	require.NoError(t, s.TrustCluster(&first, clusterCredential()))
	require.NoError(t, s.TrustCluster(&first), "again")
	require.EqualError(t, s.TrustCluster(&second), `entratest: another cluster already uses the issuer "`+entratest.DefaultIssuer+`"`)
	assert.Zero(t, codeOf(t, &s, inCluster(t, &first)), "its keys are still used")
	second.Issuer = "https://second.example"
	require.NoError(t, s.TrustCluster(&second, clusterCredential()))
	assert.Zero(t, codeOf(t, &s, inCluster(t, &second)))
}

// Tokens spell an identity the same way, however requests spell it.
func TestTokensHaveCanonicalIDs(t *testing.T) {
	const tenant = "ABCDEF00-1111-4222-8333-444444444444"
	for name, row := range map[string]struct{ registered, requested, client, issuer string }{
		"by ID":                      {tenant, tenant, clientID, strings.ToLower(tenant)},
		"in another case":            {strings.ToLower(tenant), tenant, clientID, strings.ToLower(tenant)},
		"by domain":                  {"contoso", "Contoso", clientID, contosoID},
		"by the domain's ID":         {"contoso", contosoID, clientID, contosoID},
		"client in capitals":         {"contoso", "contoso", "AAAAAAAA-1111-4222-8333-444444444444", contosoID},
		"client is not an ID":        {"contoso", "contoso", "Orders", contosoID},
		"client of a lenient server": {"", "contoso", "AAAAAAAA-1111-4222-8333-444444444444", contosoID},
	} {
		t.Run(name, func(t *testing.T) {
			var s entratest.Server
			var cluster entratest.Cluster
			if row.registered != "" {
				c := clusterCredential()
				c.TenantID, c.ClientID = row.registered, row.client
				require.NoError(t, s.TrustCluster(&cluster, c))
			}
			issued := func(client string) map[string]any {
				form := with(inCluster(t, &cluster), "client_id", client)
				_, code, body := sendForm(t, &s, "https://login.microsoftonline.com/"+row.requested+"/oauth2/v2.0/token", form)
				require.Zero(t, code, body)
				return claimsOf(t, &s, decode[tokenReply](t, body).AccessToken, "")
			}
			upper, lower := issued(strings.ToUpper(row.client)), issued(strings.ToLower(row.client))
			assert.Equal(t, row.issuer, upper["tid"])
			assert.Equal(t, "https://sts.windows.net/"+row.issuer+"/", upper["iss"])
			for _, claim := range []string{"oid", "sub", "appid", "tid", "iss"} {
				assert.Equal(t, lower[claim], upper[claim], claim)
			}
		})
	}
}

func TestUnavailableClusterCannotBeReached(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	cluster.SetUnavailable(true)
	reply, code, _ := sendForm(t, &s, tokenURL, inCluster(t, &cluster))
	assert.Equal(t, 90061, code)
	assert.Contains(t, reply.Header.Get("X-Entratest-Cause"), "503 Service Unavailable")
	cluster.SetUnavailable(false)
	assert.Zero(t, codeOf(t, &s, inCluster(t, &cluster)))
}

func TestPropagationDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.Server{PropagationDelay: 2 * time.Minute}
		var cluster entratest.Cluster
		form := inCluster(t, &cluster)
		require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
		assert.Equal(t, 70025, codeOf(t, &s, form), "the first credential of an application")
		time.Sleep(2*time.Minute - time.Nanosecond)
		assert.Equal(t, 70025, codeOf(t, &s, form))
		time.Sleep(time.Nanosecond)
		assert.Zero(t, codeOf(t, &s, form))

		other := &entratest.Cluster{Issuer: "https://other.example"}
		require.NoError(t, s.TrustCluster(other, clusterCredential()))
		assert.Equal(t, 700211, codeOf(t, &s, inCluster(t, other)), "the first credential for an issuer")
		another := clusterCredential()
		another.Subject = "system:serviceaccount:shop:cart"
		require.NoError(t, s.TrustCluster(&cluster, another))
		raw, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "cart"})
		require.NoError(t, err)
		assert.Equal(t, 700213, codeOf(t, &s, with(validForm(t), "client_assertion", raw)), "another subject")
		assert.Zero(t, codeOf(t, &s, form), "older credentials still work")
		time.Sleep(2 * time.Minute)
		assert.Zero(t, codeOf(t, &s, inCluster(t, other)))
		assert.Zero(t, codeOf(t, &s, with(validForm(t), "client_assertion", raw)))
	})
}

func TestRevoke(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	form := inCluster(t, &cluster)
	require.ErrorContains(t, s.Revoke(federated()), "it is not registered")
	require.NoError(t, s.Revoke(clusterCredential()), "as given to TrustCluster")
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	c := clusterCredential()
	c.Issuer = entratest.DefaultIssuer
	require.NoError(t, s.Revoke(c))
	assert.Equal(t, 70025, codeOf(t, &s, form))
	require.ErrorContains(t, s.Revoke(c), "it is not registered")
	c.TenantID = "fabrikam"
	require.ErrorContains(t, s.Revoke(c), `tenant "fabrikam"`)
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	assert.Zero(t, codeOf(t, &s, form))
}

func TestDisabledApplication(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	require.NoError(t, s.SetDisabled("contoso", clientID, true))
	reply, code, body := sendForm(t, &s, tokenURL, inCluster(t, &cluster))
	assert.Equal(t, http.StatusUnauthorized, reply.StatusCode)
	assert.Equal(t, 7000112, code)
	assert.Contains(t, body, "is disabled.")
	require.NoError(t, s.SetDisabled("Contoso", clientID, false))
	assert.Zero(t, codeOf(t, &s, inCluster(t, &cluster)))
	assert.ErrorContains(t, s.SetDisabled("contoso", "other", true), `no client "other" in tenant "contoso"`)
}

func TestAddApplication(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.ErrorContains(t, s.AddApplication("", ""), "TenantID is empty; ClientID is empty")
	require.NoError(t, s.AddApplication("contoso", clientID))
	assert.Equal(t, 70025, codeOf(t, &s, inCluster(t, &cluster)))
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	require.NoError(t, s.AddApplication("contoso", clientID))
	assert.Zero(t, codeOf(t, &s, inCluster(t, &cluster)), "credentials are kept")
}

func TestForgetRequests(t *testing.T) {
	var s entratest.Server
	do(t, &s, post(t, validForm(t)))
	s.ForgetRequests()
	assert.Empty(t, s.Requests())
	do(t, &s, post(t, validForm(t)))
	assert.Len(t, s.Requests(), 1)
}

func TestStrictServerIsSafeForConcurrentUse(t *testing.T) {
	s := entratest.Server{KeyCache: time.Nanosecond}
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	form := inCluster(t, &cluster)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			own := federated()
			own.ClientID = fmt.Sprint("client-", n)
			assert.NoError(t, s.Trust(own))
			assert.NoError(t, s.SetDisabled("contoso", own.ClientID, true))
			s.AllowResource("https://vault.azure.net")
			s.IssueV2("https://vault.azure.net", "")
			assert.Zero(t, codeOf(t, &s, form))
			cluster.SetUnavailable(false)
			assert.NoError(t, s.Revoke(own))
			assert.NoError(t, s.TrustCluster(&cluster))
		})
	}
	group.Wait()
}
