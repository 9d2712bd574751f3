package azure_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	armpolicy "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// caeClaims is a claims challenge as continuous access evaluation sends it. It requires a token
// issued after that time.
const caeClaims = `{"access_token":{"nbf":{"essential":true,"value":"1795392000"}}}`

func caeChallenge() string {
	return fmt.Sprintf(`Bearer realm="", authorization_uri="https://%s/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="%s"`,
		loginHost, base64.StdEncoding.EncodeToString([]byte(caeClaims)))
}

// challenged lists the services whose clients answer claims challenges.
var challenged = []service{storage, vault, arm}

// A token is revoked between two calls. The call that gets the challenge still succeeds.
func TestClaimsChallengeAfterRevocation(t *testing.T) {
	for _, s := range challenged {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			guarded := s.guard(t, r)
			cred := r.credential(t)
			call := s.dial(t, r, cred, cred.InvalidateOn401())
			require.NoError(t, call())
			old := guarded.last().token
			guarded.revoke(old, caeChallenge())

			require.NoError(t, call())
			require.NoError(t, call())

			exchanges := r.exchanges()
			require.Len(t, exchanges, 2, "one before the challenge, one to answer it")
			assert.JSONEq(t, `{"access_token":{"nbf":{"essential":true,"value":"1795392000"},"xms_cc":{"values":["CP1"]}}}`, upper(t, exchanges[1].Claims))
			assert.False(t, guarded.last().token == old)
		})
	}
}

// upper writes the capability in upper case. Clients differ in the case, and Entra ID accepts both.
func upper(t *testing.T, claims string) string {
	t.Helper()
	var c struct {
		AccessToken struct {
			NBF any                 `json:"nbf,omitempty"`
			CC  map[string][]string `json:"xms_cc"`
		} `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(claims), &c))
	for i, v := range c.AccessToken.CC["values"] {
		if v == "cp1" {
			c.AccessToken.CC["values"][i] = "CP1"
		}
	}
	text, err := json.Marshal(c)
	require.NoError(t, err)
	return string(text)
}

// Several clients with the same token get a challenge at the same time. One exchange answers all of
// them.
func TestClaimsChallengesShareOneExchange(t *testing.T) {
	r := newRig(t)
	guarded := storage.guard(t, r)
	cred := r.credential(t)
	var calls []func() error
	for range 4 {
		call := storage.dial(t, r, cred)
		require.NoError(t, call())
		calls = append(calls, call)
	}
	require.Len(t, r.exchanges(), 1)
	guarded.revoke(guarded.last().token, caeChallenge())

	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() { assert.NoError(t, call()) })
	}
	wg.Wait()

	assert.Len(t, r.exchanges(), 2)
}

// A plain 401 fails the call, as with any credential. The next call gets a new token.
func TestInvalidateOn401(t *testing.T) {
	r := newRig(t)
	guarded := arm.guard(t, r)
	cred := r.credential(t)
	call := arm.dial(t, r, cred, cred.InvalidateOn401())
	require.NoError(t, call())
	guarded.revoke(guarded.last().token, "")

	require.Error(t, call())
	require.NoError(t, call())

	assert.Equal(t, []int{http.StatusOK, http.StatusUnauthorized, http.StatusOK}, guarded.statuses())
	assert.Len(t, r.exchanges(), 2)
}

// On a 401 that names the tenant and the resource, the clients of Storage and Key Vault request a
// token again. With the policy, they get a new one, and even this call succeeds.
func TestInvalidateOn401WithClientsThatRequestATokenAgain(t *testing.T) {
	for _, s := range []service{storage, vault} {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			guarded := s.guard(t, r)
			cred := r.credential(t)
			call := s.dial(t, r, cred, cred.InvalidateOn401())
			require.NoError(t, call())
			before := len(guarded.decisions())
			guarded.revoke(guarded.last().token, "")

			require.NoError(t, call())

			assert.Equal(t, []int{http.StatusUnauthorized, http.StatusOK}, guarded.statuses()[before:])
			assert.Len(t, r.exchanges(), 2)
		})
	}
}

// Without the policy, the client sends the revoked token again.
func TestWithoutInvalidateOn401(t *testing.T) {
	for _, s := range challenged {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			guarded := s.guard(t, r)
			call := s.dial(t, r, r.credential(t))
			require.NoError(t, call())
			guarded.revoke(guarded.last().token, "")

			require.Error(t, call())
			require.Error(t, call())

			assert.Len(t, r.exchanges(), 1)
		})
	}
}

// Cosmos DB's client sends tokens in its own format. It keeps its copy until the token expires,
// whatever the service replies. Only Invalidate followed by a new client helps.
func TestCosmosKeepsARefusedToken(t *testing.T) {
	r := newRig(t)
	guarded := cosmos.guard(t, r)
	cred := r.credential(t)
	call := cosmos.dial(t, r, cred, cred.InvalidateOn401())
	require.NoError(t, call())
	old := guarded.last().token
	guarded.revoke(old, "")

	require.Error(t, call())
	require.Error(t, call())
	require.Len(t, r.exchanges(), 1)

	cred.Invalidate(old)
	require.NoError(t, cosmos.dial(t, r, cred)())
	assert.Len(t, r.exchanges(), 2)
}

// Key Vault's client first sends a request without a token, and takes the tenant and the resource
// from the challenge.
func TestKeyVaultChallenge(t *testing.T) {
	r := newRig(t)
	guarded := vault.guard(t, r)

	require.NoError(t, vault.dial(t, r, r.credential(t))())

	assert.Equal(t, []int{http.StatusUnauthorized, http.StatusOK}, guarded.statuses())
	assert.Empty(t, guarded.decisions()[0].token)
}

// Key Vault's other challenge format names the resource as a scope.
func TestKeyVaultChallengeWithScope(t *testing.T) {
	r := newRig(t)
	guarded := vault.guard(t, r)
	guarded.challenge = fmt.Sprintf(`Bearer authorization="https://%s/%s" scope="%s/.default"`, loginHost, tenantID, vaultAudience)

	require.NoError(t, vault.dial(t, r, r.credential(t))())

	assert.Equal(t, vaultAudience+"/.default", r.exchanges()[0].Scope)
}

func TestKeyVaultOfAnotherTenant(t *testing.T) {
	setUp := func(t *testing.T) (*rig, *resource) {
		r := newRig(t)
		r.trust(t, otherTenant)
		guarded := vault.guard(t, r)
		guarded.tenant, guarded.challenge = otherTenant, vaultChallenge(otherTenant)
		return r, guarded
	}

	t.Run("not allowed", func(t *testing.T) {
		r, guarded := setUp(t)

		err := vault.dial(t, r, r.credential(t))()

		require.ErrorContains(t, err, "AdditionallyAllowedTenants")
		require.ErrorContains(t, err, otherTenant)
		assert.Equal(t, []int{http.StatusUnauthorized}, guarded.statuses())
		assert.Empty(t, r.exchanges(), "an untrusted vault's tenant gets no assertion")
	})
	for _, allowed := range []string{otherTenant, "*"} {
		t.Run("allowed by "+allowed, func(t *testing.T) {
			r, guarded := setUp(t)
			r.options.AdditionallyAllowedTenants = []string{allowed}

			require.NoError(t, vault.dial(t, r, r.credential(t))())

			assert.Equal(t, otherTenant, guarded.last().claims.TenantID)
			require.Len(t, r.exchanges(), 1)
			assert.Equal(t, otherTenant, r.exchanges()[0].TenantID)
		})
	}
}

// Resource Manager accepts tokens of additional tenants in a separate header, from the same
// credential.
func TestResourceManagerAuxiliaryTenants(t *testing.T) {
	r := newRig(t)
	r.trust(t, otherTenant)
	guarded := arm.guard(t, r)
	var auxiliary []string
	serve := guarded.service
	guarded.service = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		auxiliary = request.Header.Values("x-ms-authorization-auxiliary")
		serve.ServeHTTP(w, request)
	})
	r.options.AdditionallyAllowedTenants = []string{otherTenant}

	require.NoError(t, dialGroups(t, r.credential(t), &armpolicy.ClientOptions{ClientOptions: r.sdk(), AuxiliaryTenants: []string{otherTenant}})())

	require.Len(t, auxiliary, 1)
	claims, err := r.verify(auxiliary[0][len("Bearer "):], armAudience)
	require.NoError(t, err)
	assert.Equal(t, otherTenant, claims.TenantID)
	assert.Len(t, r.exchanges(), 2)
}
