package entratest_test

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const grantOnBehalfOf = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// userToken issues a user's token, by default for the application of a good attempt.
func userToken(t *testing.T, s *entratest.Server, change ...func(*entratest.UserToken)) string {
	t.Helper()
	of := entratest.UserToken{TenantID: "contoso", Audience: clientID, Username: "mia@contoso.example"}
	for _, c := range change {
		c(&of)
	}
	token, err := s.IssueUserToken(of)
	require.NoError(t, err)
	return token
}

// onBehalfOf turns a request for an app-only token into one on behalf of a user.
func onBehalfOf(form url.Values, userToken string) url.Values {
	form = with(with(form, "grant_type", grantOnBehalfOf), "assertion", userToken)
	return with(with(form, "requested_token_use", "on_behalf_of"), "scope", "https://graph.microsoft.com/User.Read https://graph.microsoft.com/Mail.Read")
}

func TestIssueUserToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s entratest.Server
		claims := claimsOf(t, &s, userToken(t, &s), clientID)
		for claim, value := range map[string]any{
			"idtyp": "user", "ver": "2.0", "scp": "access_as_user", "upn": "mia@contoso.example", "tid": contosoID,
			"iss": "https://login.microsoftonline.com/" + contosoID + "/v2.0", "amr": []any{"pwd"},
			"exp": float64(time.Now().Add(3599 * time.Second).Unix()),
		} {
			assert.Equal(t, value, claims[claim], claim)
		}
		assert.NotEqual(t, claims["oid"], claims["sub"])

		other := claimsOf(t, &s, userToken(t, &s, func(u *entratest.UserToken) { u.Audience, u.MFA, u.Scope = "other", true, "read" }), "other")
		assert.Equal(t, claims["oid"], other["oid"], "same user")
		assert.NotEqual(t, claims["sub"], other["sub"], "different application")
		assert.Equal(t, []any{"pwd", "mfa"}, other["amr"])
		assert.Equal(t, "read", other["scp"])

		_, err := s.IssueUserToken(entratest.UserToken{Audience: clientID})
		assert.EqualError(t, err, "entratest: a user's token needs a TenantID and an Audience")
	})
}

func TestOnBehalfOfAUser(t *testing.T) {
	a := newAgency(t)
	_, code, body := sendForm(t, a.Server, tokenURL, onBehalfOf(inCluster(t, &a.cluster), userToken(t, a.Server)))
	require.Zero(t, code, body)
	reply := decode[map[string]any](t, body)
	assert.Equal(t, "https://graph.microsoft.com/User.Read https://graph.microsoft.com/Mail.Read", reply["scope"])
	claims := claimsOf(t, a.Server, reply["access_token"].(string), "https://graph.microsoft.com")
	for claim, value := range map[string]any{
		"idtyp": "user", "appid": clientID, "scp": "User.Read Mail.Read", "upn": "mia@contoso.example",
		"oid": claimsOf(t, a.Server, userToken(t, a.Server), "")["oid"],
	} {
		assert.Equal(t, value, claims[claim], claim)
	}
	assert.NotContains(t, claims, "xms_act_fct")
}

func TestAgentOnBehalfOfAUser(t *testing.T) {
	a := newAgency(t)
	t1 := tokenFor(t, a.Server, a.blueprintForm(t, agentID))
	claims := claimsOf(t, a.Server, tokenFor(t, a.Server, onBehalfOf(a.agentForm(t, agentID, t1), userToken(t, a.Server))), "")
	for claim, value := range map[string]any{
		"idtyp": "user", "appid": agentID, "upn": "mia@contoso.example",
		"xms_par_app_azp": clientID, "xms_act_fct": "3 9 11", "xms_sub_fct": "2 3",
	} {
		assert.Equal(t, value, claims[claim], claim)
	}
}

func TestScopesOfAUserToken(t *testing.T) {
	a := newAgency(t)
	for scope, want := range map[string][2]string{
		"https://vault.azure.net/.default":           {"https://vault.azure.net", "user_impersonation"},
		"api://orders/read api://orders/write":       {"api://orders", "read write"},
		"openid offline_access profile User.Read":    {"https://graph.microsoft.com", "User.Read"},
		"https://management.azure.com//.default":     {"https://management.azure.com/", "user_impersonation"},
		"9f6f1f2e-0000-4000-8000-000000000000/query": {"9f6f1f2e-0000-4000-8000-000000000000", "query"},
	} {
		form := with(onBehalfOf(inCluster(t, &a.cluster), userToken(t, a.Server)), "scope", scope)
		assert.Equal(t, want[1], claimsOf(t, a.Server, tokenFor(t, a.Server, form), want[0])["scp"], scope)
	}
}

func TestUserIsRefused(t *testing.T) {
	a := newAgency(t)
	mine := func() url.Values { return inCluster(t, &a.cluster) }
	good := userToken(t, a.Server)
	t1 := tokenFor(t, a.Server, a.blueprintForm(t, agentID))
	for name, row := range map[string]struct {
		form url.Values
		code int
		text string
	}{
		"no user token":      {onBehalfOf(mine(), ""), 900144, "'assertion'"},
		"no token use":       {with(onBehalfOf(mine(), good), "requested_token_use", ""), 900144, "'requested_token_use'"},
		"another token use":  {with(onBehalfOf(mine(), good), "requested_token_use", "other"), 9002313, "malformed"},
		"not a JWT":          {onBehalfOf(mine(), "x"), 50027, "malformed"},
		"forged":             {onBehalfOf(mine(), good[:len(good)-6]+"AAAAAA"), 50013, "Assertion failed signature validation."},
		"of another issuer":  {onBehalfOf(mine(), mine().Get("client_assertion")), 50013, "Assertion failed signature validation."},
		"of another tenant":  {onBehalfOf(mine(), userToken(t, a.Server, func(u *entratest.UserToken) { u.TenantID = "fabrikam" })), 50013, "Assertion failed"},
		"expired":            {onBehalfOf(mine(), userToken(t, a.Server, func(u *entratest.UserToken) { u.Lifetime = -6 * time.Minute })), 500133, "Assertion is not within its valid time range."},
		"of an application":  {onBehalfOf(mine(), tokenFor(t, a.Server, with(mine(), "scope", clientID+"/.default"))), 7000114, "'" + clientID + "'"},
		"for another API":    {onBehalfOf(mine(), userToken(t, a.Server, func(u *entratest.UserToken) { u.Audience = "api://other" })), 500131, "was 'api://other' and the expected audience is '" + clientID + "'"},
		"for the agent":      {onBehalfOf(a.agentForm(t, agentID, t1), userToken(t, a.Server, func(u *entratest.UserToken) { u.Audience = agentID })), 500131, "expected audience is '" + clientID + "'"},
		"client not trusted": {with(onBehalfOf(mine(), good), "client_id", bareClientID), 70025, bareClientID},
		"no resource":        {with(onBehalfOf(mine(), good), "scope", "openid"), 1002012, "openid"},
		"no permission":      {with(onBehalfOf(mine(), good), "scope", "https://graph.microsoft.com"), 70011, "graph"},
		"unknown resource":   {with(onBehalfOf(mine(), good), "scope", "/.default"), 70011, ".default"},
		"unsupported grant":  {with(onBehalfOf(mine(), good), "grant_type", "password"), 70003, "'password'"},
	} {
		t.Run(name, func(t *testing.T) {
			_, code, body := sendForm(t, a.Server, tokenURL, row.form)
			assert.Equal(t, row.code, code, body)
			assert.Contains(t, body, row.text)
		})
	}
}

func TestUserTokenForTheApplicationIDURI(t *testing.T) {
	a := newAgency(t)
	uri := userToken(t, a.Server, func(u *entratest.UserToken) { u.Audience = "api://" + clientID })
	assert.Zero(t, codeOf(t, a.Server, onBehalfOf(inCluster(t, &a.cluster), uri)))
}

func TestConsentAndMultiFactorPolicies(t *testing.T) {
	a := newAgency(t)
	ask := func(userToken string) (int, map[string]any) {
		_, code, body := sendForm(t, a.Server, tokenURL, onBehalfOf(inCluster(t, &a.cluster), userToken))
		return code, decode[map[string]any](t, body)
	}
	require.NoError(t, a.SetPolicy("contoso", entratest.Policy{UnconsentedClients: []string{strings.ToUpper(clientID)}}))
	code, body := ask(userToken(t, a.Server))
	assert.Equal(t, 65001, code)
	assert.Equal(t, "invalid_grant", body["error"])
	assert.Equal(t, "consent_required", body["suberror"])
	assert.Zero(t, codeOf(t, a.Server, inCluster(t, &a.cluster)), "an app-only token needs no consent")

	require.NoError(t, a.SetPolicy("contoso", entratest.Policy{MFAResources: []string{"https://graph.microsoft.com/"}}))
	code, body = ask(userToken(t, a.Server))
	assert.Equal(t, 50076, code)
	assert.Equal(t, "interaction_required", body["error"])
	assert.JSONEq(t, `{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}`, body["claims"].(string))
	code, _ = ask(userToken(t, a.Server, func(u *entratest.UserToken) { u.MFA = true }))
	assert.Zero(t, code)
}

func TestLenientServerAcceptsAnyUser(t *testing.T) {
	var s entratest.Server
	stranger := jwtOf(`{"alg":"RS256"}`, `{"iss":"https://idp.example","sub":"mia"}`)
	assert.Equal(t, "mia", claimsOf(t, &s, tokenFor(t, &s, onBehalfOf(validForm(t), stranger)), "")["upn"])
	assert.Equal(t, 500133, codeOf(t, &s, onBehalfOf(validForm(t), jwtOf(`{"alg":"RS256"}`, `{"sub":"mia","exp":1}`))))
}

func TestVerifyToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &entratest.Server{Lifetime: time.Minute}
		access := tokenFor(t, s, validForm(t))
		_, err := s.VerifyToken(access, "https://vault.azure.net")
		require.NoError(t, err)
		_, err = s.VerifyToken(access, "https://storage.azure.com")
		require.EqualError(t, err, "entratest: access token: token has invalid claims: token has invalid audience")
		_, err = s.VerifyToken(access[:len(access)-6]+"AAAAAA", "")
		require.ErrorContains(t, err, "signature is invalid")
		assertion := validForm(t).Get("client_assertion")
		_, err = s.VerifyToken(assertion, "")
		require.ErrorContains(t, err, "this server has no key with that ID")
		assert.NotContains(t, err.Error(), assertion[len(assertion)-40:])
		time.Sleep(time.Minute)
		_, err = s.VerifyToken(access, "")
		require.ErrorContains(t, err, "token is expired")
	})
}
