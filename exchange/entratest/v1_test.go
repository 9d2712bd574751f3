package entratest_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const tokenURLV1 = "https://login.microsoftonline.com/contoso/oauth2/token?api-version=1.0"

// v1Form is validForm for the v1 endpoint: with a resource instead of a scope.
func v1Form(t testing.TB, resource string) url.Values {
	t.Helper()
	form := validForm(t)
	form.Del("scope")
	form.Set("resource", resource)
	return form
}

// As in a reply recorded in 2020, numbers are strings.
func TestV1TokenReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &entratest.Server{RefreshIn: time.Minute}
		reply, _, body := sendForm(t, s, tokenURLV1, v1Form(t, "https://vault.azure.net/"))
		require.Equal(t, http.StatusOK, reply.StatusCode, body)
		got, now := decode[map[string]string](t, body), time.Now().Unix()
		claims := verify(t, got["access_token"], fetchKeys(t, s, "https://login.microsoftonline.com/common/discovery/keys"))
		assert.Equal(t, "https://vault.azure.net/", claims["aud"], "verbatim")
		delete(got, "access_token")
		assert.Equal(t, map[string]string{
			"token_type": "Bearer", "expires_in": "3599", "ext_expires_in": "3599", "refresh_in": "60",
			"expires_on": strconv.FormatInt(now+3599, 10), "not_before": strconv.FormatInt(now, 10), "resource": "https://vault.azure.net/",
		}, got)
		request := s.Requests()[0]
		assert.Equal(t, entratest.KindToken, request.Kind)
		assert.Empty(t, request.Scope)
		assert.Equal(t, "https://vault.azure.net/", request.Form.Get("resource"))
	})
}

func TestV1IgnoresScope(t *testing.T) {
	s := new(entratest.Server)
	form := v1Form(t, "")
	form.Set("scope", "https://vault.azure.net/.default")
	_, _, body := sendForm(t, s, tokenURLV1, form)
	assert.Equal(t, "00000002-0000-0000-c000-000000000000", decode[map[string]string](t, body)["resource"], "Entra's default resource")
}

func TestV1JudgesLikeV2(t *testing.T) {
	s := trusting(t)
	s.AllowResource("https://vault.azure.net")
	for name, row := range map[string]struct {
		resource string
		change   func(*attempt)
		code     int
		text     string
	}{
		"nothing wrong":    {"https://vault.azure.net", func(*attempt) {}, 0, ""},
		"subject":          {"https://vault.azure.net", func(a *attempt) { a.claims["sub"] = "no" }, 700213, "subject 'no'"},
		"unknown resource": {"https://typo.azure.net", func(*attempt) {}, 500011, "The resource principal named https://typo.azure.net was not found"},
	} {
		t.Run(name, func(t *testing.T) {
			a := goodAttempt(time.Now().Unix())
			row.change(a)
			s.HTTPClient = &http.Client{Transport: a.issuer}
			form := v1Form(t, row.resource)
			form.Set("client_assertion", a.assertion(t))
			_, code, body := sendForm(t, s, tokenURLV1, form)
			assert.Equal(t, row.code, code, body)
			assert.Contains(t, body, row.text)
		})
	}
}

// The v1 document names the issuer and the keys of v1.0 access tokens.
func TestV1OpenIDConfiguration(t *testing.T) {
	s := new(entratest.Server)
	_, body := do(t, s, get(t, "https://login.microsoftonline.com/contoso/.well-known/openid-configuration"))
	got := decode[map[string]any](t, body)
	for member, value := range map[string]string{
		"issuer":                 "https://sts.windows.net/" + contosoID + "/",
		"token_endpoint":         "https://login.microsoftonline.com/contoso/oauth2/token",
		"authorization_endpoint": "https://login.microsoftonline.com/contoso/oauth2/authorize",
		"jwks_uri":               "https://login.microsoftonline.com/contoso/discovery/keys",
	} {
		assert.Equal(t, value, got[member], member)
	}
	_, _, body = sendForm(t, s, tokenURL, validForm(t))
	claims := verify(t, decode[tokenReply](t, body).AccessToken, fetchKeys(t, s, got["jwks_uri"].(string)))
	assert.Equal(t, got["issuer"], claims["iss"])
}

func TestInstanceDiscoveryReturnsTheRequestedVersion(t *testing.T) {
	for authorize, configuration := range map[string]string{
		"https://login.windows.net/contoso/oauth2/authorize":      "https://login.windows.net/contoso/.well-known/openid-configuration",
		"https://login.windows.net/contoso/oauth2/v2.0/authorize": "https://login.windows.net/contoso/v2.0/.well-known/openid-configuration",
	} {
		target := strings.Replace(instanceURL(authorize), "api-version=1.1", "api-version=1.0", 1)
		_, body := do(t, new(entratest.Server), get(t, target))
		assert.Equal(t, configuration, decode[instance](t, body).TenantDiscoveryEndpoint)
	}
}
