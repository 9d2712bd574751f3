package entratest_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestAllowResource(t *testing.T) {
	s := new(entratest.Server)
	scope := func(value string) int { return codeOf(t, s, with(validForm(t), "scope", value)) }
	assert.Zero(t, scope("https://unheard.example/.default"), "at first, any resource is known")
	s.AllowResource("https://vault.azure.net", "https://management.azure.com/")
	s.AllowResource("api://shop")
	for value, code := range map[string]int{
		"https://vault.azure.net/.default":                                   0,
		"api://AzureADTokenExchange/.default":                                0,
		"https://vault.azure.net//.default":                                  0,
		"https://management.azure.com//.default":                             0,
		"https://management.azure.com/.default":                              0,
		"api://shop/.default openid offline_access profile":                  0,
		"https://vault.azure.net/.default https://vault.azure.net/.default":  0,
		"https://vault.azure.net/.default api://shop/.default":               700022,
		"https://vault.azure.net/.default https://unheard.example/.default":  700022,
		"https://unheard.example/.default":                                   500011,
		"https://Vault.azure.net/.default":                                   500011,
		"https://storage.azure.com/.default openid offline_access profile":   500011,
		"https://vault.azure.net/.default https://vault.azure.net/user_read": 1002012,
	} {
		assert.Equal(t, code, scope(value), value)
	}
	reply, _, body := sendForm(t, s, tokenURL, with(validForm(t), "scope", "https://unheard.example/.default"))
	assert.Equal(t, 400, reply.StatusCode)
	assert.Equal(t, "invalid_resource", decode[errorReply](t, body).Error)
	assert.Contains(t, body, "The resource principal named https://unheard.example was not found in the tenant named contoso.")
	_, _, body = sendForm(t, s, tokenURL, with(validForm(t), "scope", "https://vault.azure.net/.default api://shop/.default"))
	assert.Equal(t, "invalid_scope", decode[errorReply](t, body).Error)
}

func TestIssueV2(t *testing.T) {
	const appID = "9f6f1f2e-0000-4000-8000-000000000000"
	s := new(entratest.Server)
	s.IssueV2("api://shop", appID)
	s.IssueV2(appID, "")
	keys := fetchKeys(t, s, "https://login.microsoftonline.com/common/discovery/v2.0/keys")
	issued := func(host, scope string) jwt.MapClaims {
		form := with(with(validForm(t), "scope", scope), "claims", `{"access_token":{"xms_cc":{"values":["CP1"]}}}`)
		_, _, body := sendForm(t, s, "https://"+host+"/contoso/oauth2/v2.0/token", form)
		return verify(t, decode[tokenReply](t, body).AccessToken, keys)
	}
	for _, scope := range []string{"api://shop/.default", appID + "/.default"} {
		claims := issued("login.microsoftonline.com", scope)
		assert.Equal(t, appID, claims["aud"])
		assert.Equal(t, "https://login.microsoftonline.com/"+contosoID+"/v2.0", claims["iss"])
		assert.Equal(t, "2.0", claims["ver"])
		assert.Equal(t, clientID, claims["azp"])
		assert.Equal(t, "2", claims["azpacr"])
		assert.Equal(t, contosoID, claims["tid"])
		assert.Equal(t, claims["oid"], claims["sub"])
		assert.Equal(t, []any{"CP1"}, claims["xms_cc"])
		assert.NotContains(t, claims, "appid")
	}
	first := issued("login.microsoftonline.com", "https://vault.azure.net/.default")
	assert.Equal(t, "1.0", first["ver"])
	assert.Equal(t, clientID, first["appid"])
	assert.NotContains(t, first, "azp")

	for host, cloud := range map[string]string{
		"westeurope.login.microsoft.com":    "login.microsoftonline.com",
		"login.windows.net":                 "login.microsoftonline.com",
		"login.microsoftonline.us":          "login.microsoftonline.us",
		"westus2.login.microsoftonline.us":  "login.microsoftonline.us",
		"login.partner.microsoftonline.cn":  "login.partner.microsoftonline.cn",
		"login.sovcloud-identity.fr":        "login.microsoftonline.com",
		"evil-login.microsoftonline.us.com": "login.microsoftonline.com",
		"127.0.0.1:8443":                    "login.microsoftonline.com",
	} {
		assert.Equal(t, "https://"+cloud+"/"+contosoID+"/v2.0", issued(host, "api://shop/.default")["iss"], host)
	}
}
