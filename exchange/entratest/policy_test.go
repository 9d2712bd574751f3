package entratest_test

import (
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
		"federation":               {entratest.Policy{NoFederation: true}, 400, 700223, "constrained or disabled in the tenant 'contoso'"},
		"all issuers but another":  {onlyIssuers("https://other.example/"), 400, 700238, "of issuer '" + issuerURL + "'"},
		"but for its slash":        {onlyIssuers(strings.TrimSuffix(issuerURL, "/")), 400, 700238, "of issuer"},
		"all issuers but these":    {onlyIssuers("https://other.example/", issuerURL), 200, 0, ""},
		"the client":               {entratest.Policy{BlockedClients: []string{strings.ToUpper(clientID)}}, 400, 53003, "by Conditional Access"},
		"another client":           {entratest.Policy{BlockedClients: []string{bareClientID}}, 200, 0, ""},
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

// The list of a policy is the server's own.
func TestPolicyIsCopied(t *testing.T) {
	s, blocked := trusting(t), []string{clientID}
	require.NoError(t, s.SetPolicy("contoso", entratest.Policy{BlockedClients: blocked}))
	blocked[0] = bareClientID
	_, code, _ := goodAttempt(time.Now().Unix()).send(t, s)
	assert.Equal(t, 53003, code)
}

// Conditional Access comes after the sign-in: who cannot sign in is told so.
func TestPolicyJudgesWhatIsFederated(t *testing.T) {
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

func TestTenantLivesInOneCloud(t *testing.T) {
	const public, government, china = "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"
	for name, row := range map[string]struct {
		home, asked string
		code        int
	}{
		"at home":                     {public, public, 0},
		"by an alias":                 {"sts.windows.net", "login.windows.net", 0},
		"in a region":                 {public, "westeurope.login.microsoft.com", 0},
		"government, asked at public": {government, public, 900382},
		"China, asked at public":      {china, "login.windows.net", 900382},
		"public, asked at government": {public, government, 90002},
		"public, asked in Virginia":   {public, "usgovvirginia.login.microsoftonline.us", 90002},
		"government, asked at China":  {government, china, 90002},
		"at a host of no cloud":       {government, "login.private.example", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := trusting(t)
			require.NoError(t, s.SetCloud("contoso", row.home))
			a := goodAttempt(time.Now().Unix())
			a.host = row.asked
			reply, code, body := a.send(t, s)
			assert.Equal(t, row.code, code, body)
			assert.Equal(t, row.code == 0, reply.StatusCode == http.StatusOK)
		})
	}
	s := trusting(t)
	assert.ErrorContains(t, s.SetCloud("contoso", "login.private.example"), `"login.private.example" is no authority host`)
	assert.ErrorContains(t, s.SetCloud("fabrikam", public), `no tenant "fabrikam"`)
}

func TestRegionsThatRefuse(t *testing.T) {
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

// A secret is refused only where it is what the client signs in with.
func TestClientSecretIsNone(t *testing.T) {
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

// Of Entra's own tokens it takes those of managed identities, for one audience.
func TestManagedIdentityAsFederatedCredential(t *testing.T) {
	const entraIssuer, mirid = "https://login.microsoftonline.com/contoso/v2.0", "/subscriptions/s/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
	for name, row := range map[string]struct {
		claims   jwt.MapClaims
		audience string
		code     int
	}{
		"managed identity":                     {jwt.MapClaims{"idtyp": "app", "xms_mirid": mirid}, audience, 0},
		"of a national cloud":                  {jwt.MapClaims{"idtyp": "app", "xms_mirid": mirid}, audience + "China", 0},
		"app":                                  {jwt.MapClaims{"idtyp": "app"}, audience, 700226},
		"user":                                 {jwt.MapClaims{"idtyp": "user"}, audience, 700229},
		"a user's permissions":                 {jwt.MapClaims{"scp": "user_impersonation"}, audience, 700229},
		"managed identity for another service": {jwt.MapClaims{"idtyp": "app", "xms_mirid": mirid}, "api://mine", 700227},
		"no telling what it is":                {jwt.MapClaims{}, audience, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(entratest.Server)
			c := credential()
			c.Issuer, c.Audiences = entraIssuer, []string{row.audience}
			require.NoError(t, s.Trust(c))
			a := goodAttempt(time.Now().Unix())
			a.claims["iss"], a.claims["aud"] = entraIssuer, row.audience
			for claim, value := range row.claims {
				a.claims[claim] = value
			}
			a.issuer = documents{
				entraIssuer + "/.well-known/openid-configuration": `{"issuer":"` + entraIssuer + `","jwks_uri":"` + jwksURL + `"}`,
				jwksURL: goodDocuments()[jwksURL],
			}
			_, code, body := a.send(t, s)
			assert.Equal(t, row.code, code, body)
		})
	}
}

// What other issuers say in such claims is their own affair.
func TestClaimsOfEntraAreReadInItsTokensAlone(t *testing.T) {
	a := goodAttempt(time.Now().Unix())
	a.claims["idtyp"], a.claims["scp"] = "user", "read"
	_, code, body := a.send(t, trusting(t))
	assert.Zero(t, code, body)
}
