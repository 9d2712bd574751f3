package entratest_test

import (
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	agentID    = "aaaaaaaa-1111-4222-8333-444444444444"
	siblingID  = "bbbbbbbb-1111-4222-8333-444444444444"
	strangerID = "cccccccc-1111-4222-8333-444444444444" // of another blueprint
	agentUser  = "agent@contoso.example"

	exchangeScope = "api://AzureADTokenExchange/.default"
	exchangeAppID = "fb60f99c-7a34-4190-8149-302f77469936"
	vaultScope    = "https://vault.azure.net/.default"
)

// agency has a blueprint with two agents, and an agent of another blueprint.
type agency struct {
	*entratest.Server
	cluster entratest.Cluster
}

func newAgency(t *testing.T) *agency {
	t.Helper()
	a := &agency{Server: new(entratest.Server)}
	require.NoError(t, a.TrustCluster(&a.cluster, clusterCredential()))
	require.NoError(t, a.AddAgent(entratest.Agent{TenantID: "contoso", BlueprintID: clientID, ClientID: agentID, Username: agentUser}))
	require.NoError(t, a.AddAgent(entratest.Agent{TenantID: "contoso", BlueprintID: clientID, ClientID: siblingID}))
	require.NoError(t, a.AddAgent(entratest.Agent{TenantID: "contoso", BlueprintID: bareClientID, ClientID: strangerID, Username: "stranger@contoso.example"}))
	return a
}

// blueprintForm requests the blueprint's token for an agent.
func (a *agency) blueprintForm(t *testing.T, agent string) url.Values {
	return with(with(inCluster(t, &a.cluster), "scope", exchangeScope), "fmi_path", agent)
}

// agentForm requests an agent's token for Key Vault.
func (a *agency) agentForm(t *testing.T, agent, assertion string) url.Values {
	return with(with(with(validForm(t), "client_id", agent), "client_assertion", assertion), "scope", vaultScope)
}

// userForm requests a token for the agent's user account.
func (a *agency) userForm(t *testing.T, t1, t2, username string) url.Values {
	form := with(with(a.agentForm(t, agentID, t1), "grant_type", "user_fic"), "scope", "https://graph.microsoft.com/Mail.Read")
	return with(with(form, "user_federated_identity_credential", t2), "username", username)
}

// tokenFor sends a request that must succeed, and returns the access token.
func tokenFor(t *testing.T, s *entratest.Server, form url.Values) string {
	t.Helper()
	_, code, body := sendForm(t, s, tokenURL, form)
	require.Zero(t, code, body)
	return decode[tokenReply](t, body).AccessToken
}

func claimsOf(t *testing.T, s *entratest.Server, token, audience string) map[string]any {
	t.Helper()
	claims, err := s.VerifyToken(token, audience)
	require.NoError(t, err)
	return claims
}

// The claims are those of tokens recorded in 2026.
func TestBlueprintTokenNamesTheAgent(t *testing.T) {
	a := newAgency(t)
	claims := claimsOf(t, a.Server, tokenFor(t, a.Server, a.blueprintForm(t, agentID)), exchangeAppID)
	assert.Equal(t, "https://login.microsoftonline.com/"+contosoID+"/v2.0", claims["iss"])
	assert.Equal(t, clientID, claims["azp"])
	assert.Equal(t, "app", claims["idtyp"])
	assert.Equal(t, "/eid1/c/pub/t/_H4xEeQHO4qHp8umGhwkiA/a/ERERESIiMzNERFVVVVVVVQ/"+agentID, claims["sub"])
	assert.NotContains(t, claims, "xms_par_app_azp")
}

func TestAgentSignsInWithItsBlueprintsToken(t *testing.T) {
	a := newAgency(t)
	t1 := tokenFor(t, a.Server, a.blueprintForm(t, agentID))
	claims := claimsOf(t, a.Server, tokenFor(t, a.Server, a.agentForm(t, agentID, t1)), "https://vault.azure.net")
	for claim, value := range map[string]any{
		"idtyp": "app", "appid": agentID, "oid": agentID, "sub": agentID, "tid": contosoID,
		"xms_par_app_azp": clientID, "xms_act_fct": "3 9 11", "xms_sub_fct": "3 9 11",
	} {
		assert.Equal(t, value, claims[claim], claim)
	}
	assert.NotContains(t, claims, "scp")
}

// Other clouds have their own scopes for token exchange.
func TestAgentOfAnotherCloud(t *testing.T) {
	for _, scope := range []string{"api://AzureADTokenExchangeUSGov/.default", "api://AzureADTokenExchangeChina/.default"} {
		a := newAgency(t)
		t1 := tokenFor(t, a.Server, with(a.blueprintForm(t, agentID), "scope", scope))
		t2 := tokenFor(t, a.Server, with(a.agentForm(t, agentID, t1), "scope", scope))
		tokenFor(t, a.Server, a.userForm(t, t1, t2, agentUser))
	}
}

func TestAgentSignsInAsItsUserAccount(t *testing.T) {
	a := newAgency(t)
	t1 := tokenFor(t, a.Server, a.blueprintForm(t, agentID))
	t2 := tokenFor(t, a.Server, with(a.agentForm(t, agentID, t1), "scope", exchangeScope))
	assert.Equal(t, agentID, claimsOf(t, a.Server, t2, exchangeAppID)["azp"])

	claims := claimsOf(t, a.Server, tokenFor(t, a.Server, a.userForm(t, t1, t2, "Agent@contoso.example")), "https://graph.microsoft.com")
	for claim, value := range map[string]any{
		"idtyp": "user", "appid": agentID, "upn": agentUser, "scp": "Mail.Read",
		"xms_par_app_azp": clientID, "xms_act_fct": "3 9 11", "xms_sub_fct": "3 13",
	} {
		assert.Equal(t, value, claims[claim], claim)
	}

	byID := with(a.userForm(t, t1, t2, ""), "user_id", claims["oid"].(string))
	assert.Equal(t, claims["oid"], claimsOf(t, a.Server, tokenFor(t, a.Server, byID), "")["oid"])
}

// Nobody is there to present a second factor, so none is required.
func TestAgentUserAccountNeedsNoSecondFactor(t *testing.T) {
	a := newAgency(t)
	require.NoError(t, a.SetPolicy("contoso", entratest.Policy{MFAResources: []string{"https://graph.microsoft.com"}}))
	t1 := tokenFor(t, a.Server, a.blueprintForm(t, agentID))
	t2 := tokenFor(t, a.Server, with(a.agentForm(t, agentID, t1), "scope", exchangeScope))
	assert.Zero(t, codeOf(t, a.Server, a.userForm(t, t1, t2, agentUser)))
}

func TestAgentIsRefused(t *testing.T) {
	a := newAgency(t)
	ownToken := func(agent string) string { return tokenFor(t, a.Server, a.blueprintForm(t, agent)) }
	t1 := ownToken(agentID)
	t2 := tokenFor(t, a.Server, with(a.agentForm(t, agentID, t1), "scope", exchangeScope))
	federated := inCluster(t, &a.cluster).Get("client_assertion")
	for name, row := range map[string]struct {
		form url.Values
		code int
		text string
	}{
		"blueprint not trusted":  {with(a.blueprintForm(t, strangerID), "client_id", bareClientID), 70025, "'" + bareClientID + "'"},
		"the federated token":    {a.agentForm(t, agentID, federated), 70025, "'" + agentID + "'"},
		"not a JWT":              {a.agentForm(t, agentID, "x"), 50027, "malformed"},
		"forged":                 {a.agentForm(t, agentID, t1[:len(t1)-6]+"AAAAAA"), 7000274, "signature"},
		"another agent's T1":     {a.agentForm(t, agentID, ownToken(siblingID)), 7002137, "Please make sure the federated identity credential Subject is '/eid1/c/pub/t/"},
		"another blueprint's T1": {a.agentForm(t, strangerID, ownToken(strangerID)), 7002137, strangerID},
		"another audience":       {a.agentForm(t, agentID, tokenFor(t, a.Server, with(a.blueprintForm(t, agentID), "scope", "api://x/.default"))), 700212, "'api://x'"},

		"unknown user":          {a.userForm(t, t1, t2, "nobody@contoso.example"), 50034, "The user account nobody@contoso.example does not exist"},
		"another agent's user":  {a.userForm(t, t1, t2, "stranger@contoso.example"), 7002137, agentID},
		"T1 instead of T2":      {a.userForm(t, t1, t1, agentUser), 7002137, agentID},
		"no T2":                 {a.userForm(t, t1, "", agentUser), 900144, "'user_federated_identity_credential'"},
		"T2 is not a JWT":       {a.userForm(t, t1, "x", agentUser), 50027, "malformed"},
		"T2 is a foreign token": {a.userForm(t, t1, federated, agentUser), 50013, "signature"},
		"no user":               {a.userForm(t, t1, t2, ""), 900144, "'username'"},
		"unknown token use":     {with(a.userForm(t, t1, t2, agentUser), "requested_token_use", "mine"), 9002313, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, code, body := sendForm(t, a.Server, tokenURL, row.form)
			assert.Equal(t, row.code, code, body)
			assert.Contains(t, body, row.text)
		})
	}
}

func TestAgentTokensExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgency(t)
		t1 := tokenFor(t, a.Server, a.blueprintForm(t, agentID))
		t2 := tokenFor(t, a.Server, with(a.agentForm(t, agentID, t1), "scope", exchangeScope))
		time.Sleep(time.Hour + 5*time.Minute)
		assert.Equal(t, 700024, codeOf(t, a.Server, a.agentForm(t, agentID, t1)))
		fresh := tokenFor(t, a.Server, a.blueprintForm(t, agentID))
		assert.Equal(t, 500133, codeOf(t, a.Server, a.userForm(t, fresh, t2, agentUser)))
	})
}

func TestAddAgentRefusesInvalidAgents(t *testing.T) {
	a := newAgency(t)
	for want, agent := range map[string]entratest.Agent{
		`entratest: agent "" of blueprint "" in tenant "": TenantID is empty; ClientID is empty; BlueprintID is empty`: {},
		`entratest: agent "` + clientID + `" of blueprint "b" in tenant "contoso": the client ID is already registered`: {
			TenantID: "contoso", BlueprintID: "b", ClientID: clientID},
		`entratest: agent "x" of blueprint "b" in tenant "contoso": the user account "AGENT@contoso.example" belongs to another agent`: {
			TenantID: "contoso", BlueprintID: "b", ClientID: "x", Username: "AGENT@contoso.example"},
	} {
		assert.EqualError(t, a.AddAgent(agent), want)
	}
	assert.ErrorContains(t, a.Trust(entratest.FederatedCredential{TenantID: "contoso", ClientID: agentID, Issuer: issuerURL, Subject: subject}),
		"an agent identity cannot have federated credentials; register it for its blueprint")
}

func TestLenientServerAcceptsAgents(t *testing.T) {
	var s entratest.Server
	a := &agency{Server: &s}
	t1 := tokenFor(t, &s, a.blueprintForm(t, agentID))
	t2 := tokenFor(t, &s, with(a.agentForm(t, agentID, t1), "scope", exchangeScope))
	claims := claimsOf(t, &s, tokenFor(t, &s, a.userForm(t, t1, t2, agentUser)), "https://graph.microsoft.com")
	assert.Equal(t, clientID, claims["xms_par_app_azp"])
	assert.Equal(t, agentUser, claims["upn"])
	assert.Equal(t, 50027, codeOf(t, &s, a.userForm(t, t1, "x", agentUser)))
}

// A token for token exchange counts as a managed identity's, unless the tenant forbids chaining.
func TestFederatedCredentialsChainUnlessForbidden(t *testing.T) {
	a := newAgency(t)
	first := tokenFor(t, a.Server, with(inCluster(t, &a.cluster), "scope", exchangeScope))
	claims := claimsOf(t, a.Server, first, "")
	require.NoError(t, a.Trust(entratest.FederatedCredential{
		TenantID: "contoso", ClientID: bareClientID, Issuer: claims["iss"].(string), Subject: claims["sub"].(string),
	}))
	tokenFor(t, a.Server, a.agentForm(t, bareClientID, first))
	require.NoError(t, a.SetPolicy("contoso", entratest.Policy{NoChaining: true}))
	assert.Equal(t, 700231, codeOf(t, a.Server, a.agentForm(t, bareClientID, first)))
}
