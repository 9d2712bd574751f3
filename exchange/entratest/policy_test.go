package entratest_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestPolicyOfATenant(t *testing.T) {
	for name, row := range map[string]struct {
		policy entratest.Policy
		status int
		code   int
		text   string
	}{
		"nothing is forbidden":     {entratest.Policy{}, 200, 0, ""},
		"no federation":            {entratest.Policy{NoFederation: true}, 400, 700223, "constrained or disabled in the tenant 'contoso'"},
		"another issuer allowed":   {onlyIssuers("https://other.example/"), 400, 700238, "of issuer '" + issuerURL + "'"},
		"slash differs":            {onlyIssuers(strings.TrimSuffix(issuerURL, "/")), 400, 700238, "of issuer"},
		"issuer allowed":           {onlyIssuers("https://other.example/", issuerURL), 200, 0, ""},
		"client blocked":           {entratest.Policy{BlockedClients: []string{strings.ToUpper(clientID)}}, 400, 53003, "by Conditional Access"},
		"another client blocked":   {entratest.Policy{BlockedClients: []string{bareClientID}}, 200, 0, ""},
		"federation before access": {entratest.Policy{NoFederation: true, BlockedClients: []string{clientID}}, 400, 700223, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := trusting(t)
			require.NoError(t, s.SetPolicy("Contoso", row.policy))
			reply, code, body := goodAttempt(time.Now().Unix()).send(t, s)
			assert.Equal(t, row.status, reply.StatusCode)
			assert.Equal(t, row.code, code, body)
			assert.Contains(t, body, row.text)

			require.NoError(t, s.SetPolicy("contoso", entratest.Policy{}))
			_, code, _ = goodAttempt(time.Now().Unix()).send(t, s)
			assert.Zero(t, code, "lifted")
		})
	}
	assert.ErrorContains(t, trusting(t).SetPolicy("fabrikam", entratest.Policy{}), `no tenant "fabrikam"`)
}

func onlyIssuers(issuers ...string) entratest.Policy {
	return entratest.Policy{AllowedIssuers: issuers}
}

// Later changes to the caller's lists do not affect the server.
func TestPolicyIsCopied(t *testing.T) {
	s, blocked := trusting(t), []string{clientID}
	require.NoError(t, s.SetPolicy("contoso", entratest.Policy{BlockedClients: blocked}))
	blocked[0] = bareClientID
	_, code, _ := goodAttempt(time.Now().Unix()).send(t, s)
	assert.Equal(t, 53003, code)
}

// The policy on federation comes after the credential match, and Conditional Access after the
// sign-in.
func TestPolicyComesAfterEarlierChecks(t *testing.T) {
	s := trusting(t)
	require.NoError(t, s.SetPolicy("contoso", entratest.Policy{NoFederation: true, BlockedClients: []string{clientID}}))
	a := goodAttempt(time.Now().Unix())
	a.claims["sub"] = "no"
	_, code, _ := a.send(t, s)
	assert.Equal(t, 700213, code)

	require.NoError(t, s.SetPolicy("contoso", entratest.Policy{BlockedClients: []string{clientID}}))
	a = goodAttempt(time.Now().Unix())
	a.header["kid"] = "k2"
	_, code, _ = a.send(t, s)
	assert.Equal(t, 7000272, code)
}

func TestTenantIsInOneCloud(t *testing.T) {
	const public, government, china = "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"
	for name, row := range map[string]struct {
		home, requested string
		code            int
	}{
		"own cloud":                {public, public, 0},
		"alias":                    {"sts.windows.net", "login.windows.net", 0},
		"region":                   {public, "westeurope.login.microsoft.com", 0},
		"government, at public":    {government, public, 900382},
		"China, at public":         {china, "login.windows.net", 900382},
		"public, at government":    {public, government, 90002},
		"public, at usgovvirginia": {public, "usgovvirginia.login.microsoftonline.us", 90002},
		"government, at China":     {government, china, 90002},
		"host of no cloud":         {government, "login.private.example", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := trusting(t)
			require.NoError(t, s.SetCloud("contoso", row.home))
			a := goodAttempt(time.Now().Unix())
			a.host = row.requested
			reply, code, body := a.send(t, s)
			assert.Equal(t, row.code, code, body)
			assert.Equal(t, row.code == 0, reply.StatusCode == http.StatusOK)
		})
	}
	s := trusting(t)
	assert.ErrorContains(t, s.SetCloud("contoso", "login.private.example"), `"login.private.example" is not an authority host`)
	assert.ErrorContains(t, s.SetCloud("fabrikam", public), `no tenant "fabrikam"`)
}

func TestRefuseRegions(t *testing.T) {
	s := trusting(t)
	s.RefuseRegions = true
	for host, want := range map[string]int{
		"login.microsoftonline.com": 0, "login.microsoft.com": 0, "login.private.example": 0, "127.0.0.1:8443": 0,
		"westeurope.login.microsoft.com": 100007, "westus2.login.microsoftonline.us": 100007,
	} {
		a := goodAttempt(time.Now().Unix())
		a.host = host
		_, code, _ := a.send(t, s)
		assert.Equal(t, want, code, host)
	}
	s.RefuseRegions = false
	a := goodAttempt(time.Now().Unix())
	a.host = "westeurope.login.microsoft.com"
	_, code, _ := a.send(t, s)
	assert.Zero(t, code)
}

// A client secret is refused only if there is no assertion.
func TestClientSecretIsRefused(t *testing.T) {
	s := new(entratest.Server)
	form := with(validForm(t), "client_secret", "hunter2")
	assert.Zero(t, codeOf(t, s, form))
	form.Set("client_assertion", "")
	assert.Equal(t, 7000215, codeOf(t, s, form))
	form.Del("client_assertion")
	form.Del("client_assertion_type")
	reply, code, body := sendForm(t, s, tokenURL, form)
	assert.Equal(t, 7000215, code)
	assert.Equal(t, http.StatusUnauthorized, reply.StatusCode)
	assert.Equal(t, "invalid_client", decode[errorReply](t, body).Error)
	form.Set("client_secret", "")
	assert.Equal(t, 7000218, codeOf(t, s, form))
}

// Among Entra's own tokens, only those of managed identities for token exchange are accepted.
func TestManagedIdentityAsFederatedCredential(t *testing.T) {
	const entraIssuer, mirid = "https://login.microsoftonline.com/contoso/v2.0", "/subscriptions/s/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
	for name, row := range map[string]struct {
		claims   jwt.MapClaims
		audience string
		code     int
	}{
		"managed identity":                     {jwt.MapClaims{"idtyp": "app", "xms_mirid": mirid}, audience, 0},
		"of a national cloud":                  {jwt.MapClaims{"idtyp": "app", "xms_mirid": mirid}, audience + "China", 0},
		"application":                          {jwt.MapClaims{"idtyp": "app"}, audience, 700226},
		"user":                                 {jwt.MapClaims{"idtyp": "user"}, audience, 700229},
		"a user's permissions":                 {jwt.MapClaims{"scp": "user_impersonation"}, audience, 700229},
		"managed identity for another service": {jwt.MapClaims{"idtyp": "app", "xms_mirid": mirid}, "api://mine", 700227},
		"unknown kind":                         {jwt.MapClaims{}, audience, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(entratest.Server)
			c := federated()
			c.Issuer, c.Audiences = entraIssuer, []string{row.audience}
			require.NoError(t, s.Trust(c))
			a := goodAttempt(time.Now().Unix())
			a.claims["iss"], a.claims["aud"] = entraIssuer, row.audience
			maps.Copy(a.claims, row.claims)
			a.issuer = documents{
				entraIssuer + "/.well-known/openid-configuration": `{"issuer":"` + entraIssuer + `","jwks_uri":"` + jwksURL + `"}`,
				jwksURL: goodDocuments()[jwksURL],
			}
			_, code, body := a.send(t, s)
			assert.Equal(t, row.code, code, body)
		})
	}
}

// Other issuers may use these claims for anything.
func TestEntraClaimsMatterOnlyInEntraTokens(t *testing.T) {
	a := goodAttempt(time.Now().Unix())
	a.claims["idtyp"], a.claims["scp"] = "user", "read"
	_, code, body := a.send(t, trusting(t))
	assert.Zero(t, code, body)
}
