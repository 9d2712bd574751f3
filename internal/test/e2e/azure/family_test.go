package azure_test

import (
	"context"
	"testing"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	agentID       = "aaaaaaaa-1111-4222-8333-444444444444"
	agentUser     = "agent@contoso.example"
	exchangeScope = "api://AzureADTokenExchange/.default"
	graphScope    = "https://graph.microsoft.com/User.Read"
)

// msal returns MSAL Go's client for an application that signs in with assertion.
func (r *rig) msal(t *testing.T, client string, assertion func() (string, error)) confidential.Client {
	t.Helper()
	cred := confidential.NewCredFromAssertionCallback(func(context.Context, confidential.AssertionRequestOptions) (string, error) { return assertion() })
	made, err := confidential.New("https://"+loginHost+"/"+tenantID, client, cred, confidential.WithHTTPClient(r.http))
	require.NoError(t, err)
	return made
}

// agent returns the client of an agent identity, whose assertion is its blueprint's token.
func (r *rig) agent(t *testing.T) confidential.Client {
	t.Helper()
	require.NoError(t, r.Entra.AddAgent(entratest.Agent{TenantID: tenantID, BlueprintID: clientID, ClientID: agentID, Username: agentUser}))
	blueprint := r.msal(t, clientID, r.assertion)
	return r.msal(t, agentID, func() (string, error) {
		result, err := blueprint.AcquireTokenByCredential(t.Context(), []string{exchangeScope}, confidential.WithFMIPath(agentID))
		return result.AccessToken, err
	})
}

func (r *rig) userToken(t *testing.T) string {
	t.Helper()
	token, err := r.Entra.IssueUserToken(entratest.UserToken{TenantID: tenantID, Audience: clientID, Username: "mia@contoso.example"})
	require.NoError(t, err)
	return token
}

func TestMSALSignsAnAgentIn(t *testing.T) {
	r := newRig(t)

	result, err := r.agent(t).AcquireTokenByCredential(t.Context(), []string{storageScope})

	require.NoError(t, err)
	claims, err := r.Entra.VerifyToken(result.AccessToken, storageAudience)
	require.NoError(t, err)
	assert.Equal(t, agentID, claims["appid"])
	assert.Equal(t, clientID, claims["xms_par_app_azp"])
	require.Len(t, r.exchanges(), 2)
	assert.Equal(t, agentID, r.exchanges()[0].Form.Get("fmi_path"))
}

func TestMSALActsOnBehalfOfAUser(t *testing.T) {
	for name, client := range map[string]func(*rig) confidential.Client{
		clientID: func(r *rig) confidential.Client { return r.msal(t, clientID, r.assertion) },
		agentID:  func(r *rig) confidential.Client { return r.agent(t) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)

			result, err := client(r).AcquireTokenOnBehalfOf(t.Context(), r.userToken(t), []string{graphScope})

			require.NoError(t, err)
			assert.Empty(t, result.DeclinedScopes)
			claims, err := r.Entra.VerifyToken(result.AccessToken, "https://graph.microsoft.com")
			require.NoError(t, err)
			assert.Equal(t, name, claims["appid"])
			assert.Equal(t, "mia@contoso.example", claims["upn"])
			assert.Equal(t, "User.Read", claims["scp"])
		})
	}
}

func TestMSALSignsAnAgentsUserIn(t *testing.T) {
	r := newRig(t)
	agent := r.agent(t)
	own, err := agent.AcquireTokenByCredential(t.Context(), []string{exchangeScope})
	require.NoError(t, err)

	result, err := agent.AcquireTokenByUserFederatedIdentityCredential(t.Context(), []string{graphScope}, own.AccessToken, confidential.WithUserFICUsername(agentUser))

	require.NoError(t, err)
	claims, err := r.Entra.VerifyToken(result.AccessToken, "https://graph.microsoft.com")
	require.NoError(t, err)
	assert.Equal(t, agentUser, claims["upn"])
	assert.Equal(t, "3 13", claims["xms_sub_fct"])
}

// A policy's claims pass through MSAL unchanged.
func TestMSALUnderstandsThatTheUserMustInteract(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.Entra.SetPolicy(tenantID, entratest.Policy{MFAResources: []string{"https://graph.microsoft.com"}}))

	_, err := r.msal(t, clientID, r.assertion).AcquireTokenOnBehalfOf(t.Context(), r.userToken(t), []string{graphScope})

	require.ErrorContains(t, err, "AADSTS50076")
	require.ErrorContains(t, err, "interaction_required")
}
