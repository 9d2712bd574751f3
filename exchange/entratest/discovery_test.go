package entratest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

type instance struct {
	TenantDiscoveryEndpoint string `json:"tenant_discovery_endpoint"`
	APIVersion              string `json:"api-version"`
	Metadata                []struct {
		PreferredNetwork string `json:"preferred_network"`
		PreferredCache   string `json:"preferred_cache"`
		Aliases          []string
	}
}

func instanceURL(authorize string) string {
	return "https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape(authorize)
}

func TestInstanceDiscoveryTrustsEveryHost(t *testing.T) {
	for host, listed := range map[string]int{
		"login.microsoftonline.com":        5,
		"sts.windows.net":                  5,
		"login.partner.microsoftonline.cn": 5,
		"private.cloud.example:8443":       6,
	} {
		reply, body := do(t, new(entratest.Server), get(t, instanceURL("https://"+host+"/contoso/oauth2/v2.0/authorize")))
		assert.Equal(t, http.StatusOK, reply.StatusCode)
		assert.Equal(t, "max-age=86400, private", reply.Header.Get("Cache-Control"))
		assert.Equal(t, "*", reply.Header.Get("Access-Control-Allow-Origin"), "browsers may read it")
		got := decode[instance](t, body)
		assert.Equal(t, "https://"+host+"/contoso/v2.0/.well-known/openid-configuration", got.TenantDiscoveryEndpoint)
		assert.Equal(t, "1.1", got.APIVersion)
		assert.Len(t, got.Metadata, listed)
		var aliases []string
		for _, cloud := range got.Metadata {
			aliases = append(aliases, cloud.Aliases...)
			assert.NotEmpty(t, cloud.PreferredNetwork)
			assert.NotEmpty(t, cloud.PreferredCache)
		}
		assert.Contains(t, aliases, host)
	}
}

func TestInstanceDiscoveryRequiresAnEndpoint(t *testing.T) {
	reply, body := do(t, new(entratest.Server), get(t, "https://h/common/discovery/instance"))
	assert.Equal(t, http.StatusBadRequest, reply.StatusCode)
	assert.Contains(t, body, "authorization_endpoint")
}

func TestOpenIDConfigurationNamesTheRequestedHost(t *testing.T) {
	web := httptest.NewTLSServer(new(entratest.Server))
	defer web.Close()
	reply, err := web.Client().Get(web.URL + "/contoso/v2.0/.well-known/openid-configuration")
	require.NoError(t, err)
	got := decode[map[string]any](t, read(t, reply))

	assert.Equal(t, "max-age=86400, private", reply.Header.Get("Cache-Control"))
	for member, value := range map[string]string{
		"issuer":                        web.URL + "/" + contosoID + "/v2.0",
		"token_endpoint":                web.URL + "/contoso/oauth2/v2.0/token",
		"authorization_endpoint":        web.URL + "/contoso/oauth2/v2.0/authorize",
		"device_authorization_endpoint": web.URL + "/contoso/oauth2/v2.0/devicecode",
		"jwks_uri":                      web.URL + "/contoso/discovery/v2.0/keys",
		"tenant_region_scope":           "WW",
		"cloud_instance_name":           "microsoftonline.com",
		"userinfo_endpoint":             "https://graph.microsoft.com/oidc/userinfo",
		"rbac_url":                      "https://pas.windows.net",
	} {
		assert.Equal(t, value, got[member], member)
	}
	for member, value := range map[string]bool{"http_logout_supported": true, "frontchannel_logout_supported": true, "request_uri_parameter_supported": false} {
		assert.Equal(t, value, got[member], member)
	}
	assert.Contains(t, got["claims_supported"], "preferred_username")
}

// Clients that accept tokens of any tenant replace the placeholder with the token's tenant.
func TestOpenIDConfigurationOfCommonHasAPlaceholder(t *testing.T) {
	for path, issuer := range map[string]string{
		"common/v2.0":   "https://h/{tenantid}/v2.0",
		"Organizations": "https://sts.windows.net/{tenantid}/",
	} {
		_, body := do(t, new(entratest.Server), get(t, "https://h/"+path+"/.well-known/openid-configuration"))
		assert.Equal(t, issuer, decode[map[string]any](t, body)["issuer"])
	}
}

func TestOpenIDConfigurationThroughDo(t *testing.T) {
	_, body := do(t, new(entratest.Server), get(t, "https://login.microsoftonline.us/contoso/v2.0/.well-known/openid-configuration"))
	assert.Equal(t, "https://login.microsoftonline.us/contoso/oauth2/v2.0/token", decode[map[string]any](t, body)["token_endpoint"])
}

func TestOpenIDConfigurationOverPlainHTTP(t *testing.T) {
	web := httptest.NewServer(new(entratest.Server))
	defer web.Close()
	reply, err := web.Client().Get(web.URL + "/contoso/v2.0/.well-known/openid-configuration")
	require.NoError(t, err)
	assert.Equal(t, web.URL+"/"+contosoID+"/v2.0", decode[map[string]any](t, read(t, reply))["issuer"])
}

func TestRequestHostIsTheURLsUnlessOverridden(t *testing.T) {
	s := new(entratest.Server)
	r := get(t, "https://in.url/t/discovery/v2.0/keys")
	r.Host = ""
	do(t, s, r)
	r.Host = "overridden"
	do(t, s, r)
	assert.Equal(t, "in.url", s.Requests()[0].Host)
	assert.Equal(t, "overridden", s.Requests()[1].Host)
}
