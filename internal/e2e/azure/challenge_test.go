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

// caeClaims is a claims challenge as continuous access evaluation sends it: a token from after that time is wanted.
const caeClaims = `{"access_token":{"nbf":{"essential":true,"value":"1795392000"}}}`

func caeChallenge() string {
	return fmt.Sprintf(`Bearer realm="", authorization_uri="https://%s/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="%s"`,
		loginHost, base64.StdEncoding.EncodeToString([]byte(caeClaims)))
}

// challenged are the services whose clients answer claims challenges.
var challenged = []service{storage, vault, arm}

// A token is revoked in the middle. The call that meets the challenge succeeds all the same.
func TestClaimsChallengeInTheMiddle(t *testing.T) {
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

// upper writes the capability in capitals: clients differ in it, and Entra ID does not mind.
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

// Several clients with the same token are challenged at the same time: one exchange answers all of them.
func TestClaimsChallengeToManyIsOneExchange(t *testing.T) {
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

// A plain 401 fails the call, as it does with any credential; the next one gets a new token.
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

// The clients of Storage and Key Vault answer a 401 that names tenant and resource by asking for a token again. With the policy,
// that one is new and even this call succeeds.
func TestInvalidateOn401WithClientsThatAskAgain(t *testing.T) {
	for _, s := range []service{storage, vault} {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			guarded := s.guard(t, r)
			cred := r.credential(t)
			call := s.dial(t, r, cred, cred.InvalidateOn401())
			require.NoError(t, call())
			before := len(guarded.sights())
			guarded.revoke(guarded.last().token, "")

			require.NoError(t, call())

			assert.Equal(t, []int{http.StatusUnauthorized, http.StatusOK}, guarded.statuses()[before:])
			assert.Len(t, r.exchanges(), 2)
		})
	}
}

// What the policy is for: without it, the revoked token is sent again.
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

// Cosmos DB's client sends tokens in a form of its own and keeps its copy until that expires, whatever the service says. Only
// a new client helps, and Invalidate before that.
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

// Key Vault's client asks without a token first, and takes tenant and resource from the challenge.
func TestKeyVaultChallenge(t *testing.T) {
	r := newRig(t)
	guarded := vault.guard(t, r)

	require.NoError(t, vault.dial(t, r, r.credential(t))())

	assert.Equal(t, []int{http.StatusUnauthorized, http.StatusOK}, guarded.statuses())
	assert.Empty(t, guarded.sights()[0].token)
}

// A challenge that names the resource as a scope is the other form that Key Vault has.
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
		assert.Empty(t, r.exchanges(), "no assertion goes to a tenant that a vault chose")
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

// Resource Manager takes tokens of further tenants in a header of its own, from the same credential.
func TestResourceManagerAuxiliaryTenants(t *testing.T) {
	r := newRig(t)
	r.trust(t, otherTenant)
	guarded := arm.guard(t, r)
	keys := guarded.keys
	var auxiliary []string
	serve := guarded.service
	guarded.service = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		auxiliary = request.Header.Values("x-ms-authorization-auxiliary")
		serve.ServeHTTP(w, request)
	})
	r.options.AdditionallyAllowedTenants = []string{otherTenant}

	require.NoError(t, dialGroups(t, r.credential(t), &armpolicy.ClientOptions{ClientOptions: r.sdk(), AuxiliaryTenants: []string{otherTenant}})())

	require.Len(t, auxiliary, 1)
	claims, err := keys.verify(auxiliary[0][len("Bearer "):], armAudience)
	require.NoError(t, err)
	assert.Equal(t, otherTenant, claims.TenantID)
	assert.Len(t, r.exchanges(), 2)
}
