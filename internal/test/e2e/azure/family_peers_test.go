package azure_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// Fields that only one of the two libraries sends.
var (
	// MSAL Go asks for information about the client. Only a cache of accounts needs that part of
	// the reply.
	onlyMSAL = []string{"client_info"}

	// Entra ID documents this field for user_fic. MSAL Go does not send it there.
	onlyOurs = []string{"requested_token_use"}

	// MSAL Go adds OpenID Connect's scopes, for an ID token and a refresh token that workloads do
	// not use.
	onlyMSALScopes = []string{"openid", "offline_access", "profile"}
)

// Each flow runs over TLS. Its requests equal MSAL Go's, except for the differences above.
func TestFamilyBesideMSAL(t *testing.T) {
	scopes := func(names ...string) policy.TokenRequestOptions { return policy.TokenRequestOptions{Scopes: names} }
	for name, flow := range map[string]struct {
		ours func(*testing.T, *rig) *credential.Credential
		msal func(*testing.T, *rig) error
		ask  string
	}{
		"agent": {
			func(t *testing.T, r *rig) *credential.Credential { return r.ownAgent(t) },
			func(t *testing.T, r *rig) error {
				_, err := r.agent(t).AcquireTokenByCredential(t.Context(), []string{storageScope})
				return err
			}, storageScope,
		},
		"on behalf of a user": {
			func(t *testing.T, r *rig) *credential.Credential {
				return onBehalfOf(t, r.credential(t), r.userToken(t))
			},
			func(t *testing.T, r *rig) error {
				_, err := r.msal(t, clientID, r.assertion).AcquireTokenOnBehalfOf(t.Context(), r.userToken(t), []string{graphScope})
				return err
			}, graphScope,
		},
		"agent on behalf of a user": {
			func(t *testing.T, r *rig) *credential.Credential { return onBehalfOf(t, r.ownAgent(t), r.userToken(t)) },
			func(t *testing.T, r *rig) error {
				_, err := r.agent(t).AcquireTokenOnBehalfOf(t.Context(), r.userToken(t), []string{graphScope})
				return err
			}, graphScope,
		},
		"agent's user account": {
			func(t *testing.T, r *rig) *credential.Credential {
				account, err := r.ownAgent(t).AsUser(agentUser)
				require.NoError(t, err)
				return account
			},
			func(t *testing.T, r *rig) error {
				agent := r.agent(t)
				own, err := agent.AcquireTokenByCredential(t.Context(), []string{exchangeScope})
				require.NoError(t, err)
				_, err = agent.AcquireTokenByUserFederatedIdentityCredential(t.Context(), []string{graphScope}, own.AccessToken, confidential.WithUserFICUsername(agentUser))
				return err
			}, graphScope,
		},
	} {
		t.Run(name, func(t *testing.T) {
			us := newRig(t)
			_, err := flow.ours(t, us).GetToken(t.Context(), scopes(flow.ask))
			require.NoError(t, err)
			them := newRig(t)
			require.NoError(t, flow.msal(t, them))

			require.Len(t, us.exchanges(), len(them.exchanges()))
			for i, ours := range us.exchanges() {
				theirs := them.exchanges()[i]
				names, their := slices.Sorted(maps.Keys(ours.Form)), slices.Sorted(maps.Keys(theirs.Form))
				assert.Subset(t, onlyOurs, without(names, their))
				assert.Subset(t, onlyMSAL, without(their, names))
				for _, field := range []string{"grant_type", "client_id", "client_assertion_type", "fmi_path", "username"} {
					assert.Equal(t, theirs.Form.Get(field), ours.Form.Get(field), field)
				}
				assert.Equal(t, strings.Fields(ours.Scope), without(strings.Fields(theirs.Scope), onlyMSALScopes))
			}
		})
	}
}

// ownAgent returns this library's credential for the agent.
func (r *rig) ownAgent(t *testing.T) *credential.Credential {
	t.Helper()
	require.NoError(t, r.Entra.AddAgent(entratest.Agent{TenantID: tenantID, BlueprintID: clientID, ClientID: agentID, Username: agentUser}))
	agent, err := r.credential(t).Agent(agentID)
	require.NoError(t, err)
	return agent
}

func onBehalfOf(t *testing.T, c *credential.Credential, token string) *credential.Credential {
	t.Helper()
	user, err := c.OnBehalfOf(token)
	require.NoError(t, err)
	return user
}

// without returns the names that are not in others.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}
