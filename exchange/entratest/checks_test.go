package entratest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// Each row has one fault and is refused. Without the fault it is accepted.
func TestTokenEndpointRefusesOneFaultAtATime(t *testing.T) {
	missing := func(name string) func(url.Values) { return func(f url.Values) { f.Del(name) } }
	set := func(name, value string) func(url.Values) { return func(f url.Values) { f.Set(name, value) } }
	jwtWith := func(header, claims string) func(url.Values) { return set("client_assertion", jwtOf(header, claims)) }
	const needs = "The request body must contain the following parameter: "
	const malformed = "JWT token is invalid or malformed."

	for name, row := range map[string]struct {
		fault  func(url.Values)
		status int
		oauth  string
		code   int
		text   string
	}{
		"no grant type":         {missing("grant_type"), 400, "invalid_request", 900144, needs + "'grant_type'"},
		"other grant type":      {set("grant_type", "password"), 400, "unsupported_grant_type", 70003, "'password'"},
		"no client":             {missing("client_id"), 400, "invalid_request", 900144, needs + "'client_id'"},
		"empty client":          {set("client_id", ""), 400, "invalid_request", 900144, needs + "'client_id'"},
		"no scope":              {missing("scope"), 400, "invalid_request", 900144, needs + "'scope'"},
		"scope not .default":    {set("scope", "https://vault.azure.net/read"), 400, "invalid_scope", 1002012, "The provided value for scope https://vault.azure.net/read is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."},
		"one of two scopes":     {set("scope", "https://a.example/.default b"), 400, "invalid_scope", 1002012, "is not valid"},
		"scope, no resource":    {set("scope", "/.default"), 400, "invalid_scope", 1002012, "is not valid"},
		"only OIDC scopes":      {set("scope", "openid offline_access profile"), 400, "invalid_scope", 1002012, "is not valid"},
		"scope encoded twice":   {set("scope", "https%3A%2F%2Fvault.azure.net%2F.default"), 400, "invalid_scope", 1002012, "is not valid"},
		"scope and resource":    {set("resource", "https://vault.azure.net"), 400, "invalid_request", 901002, "The 'resource' request parameter is not supported."},
		"scope twice":           {func(f url.Values) { f.Add("scope", f.Get("scope")) }, 400, "invalid_request", 9000411, "The parameter 'scope' is duplicated."},
		"unknown field twice":   {func(f url.Values) { f["x"] = []string{"1", "2"} }, 400, "invalid_request", 9000411, "The parameter 'x' is duplicated."},
		"no assertion type":     {missing("client_assertion_type"), 400, "invalid_request", 900144, needs + "'client_assertion_type'"},
		"other assertion type":  {set("client_assertion_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), 400, "invalid_request", 9002313, "Invalid request. Request is malformed or invalid."},
		"no assertion":          {missing("client_assertion"), 401, "invalid_client", 7000218, needs + "'client_assertion' or 'client_secret'."},
		"empty assertion":       {set("client_assertion", ""), 401, "invalid_client", 7000216, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."},
		"two segments":          {set("client_assertion", "e30.e30"), 400, "invalid_request", 50027, malformed},
		"four segments":         {set("client_assertion", "e30.e30.e30.e30"), 400, "invalid_request", 50027, malformed},
		"no signature":          {set("client_assertion", "e30.e30."), 400, "invalid_request", 50027, malformed},
		"padded segments":       {set("client_assertion", "e30=.e30=.e30="), 400, "invalid_request", 50027, malformed},
		"newline at the end":    {set("client_assertion", jwtOf(`{"alg":"RS256"}`, `{}`)+"\n"), 400, "invalid_request", 50027, malformed},
		"header not an object":  {jwtWith(`null`, `{}`), 400, "invalid_request", 50027, malformed},
		"claims not an object":  {jwtWith(`{}`, `[]`), 400, "invalid_request", 50027, malformed},
		"unsupported header":    {jwtWith(`{"gty":[]}`, `{}`), 400, "invalid_request", 5002726, "Found unsupported token header."},
		"access token's type":   {jwtWith(`{"typ":"at+jwt"}`, `{}`), 400, "invalid_request", 5002727, "Invalid JWT header type specified."},
		"expiry not a number":   {jwtWith(`{}`, `{"exp":"soon"}`), 400, "invalid_request", 50027, malformed},
		"expired":               {jwtWith(`{}`, `{"exp":946684499,"nbf":946680000}`), 401, "invalid_client", 700024, "Client assertion is not within its valid time range. Current time: 2000-01-01T00:00:00.0000000Z, assertion valid from 1999-12-31T22:40:00.0000000Z, expiry time of assertion 1999-12-31T23:54:59.0000000Z. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."},
		"claims param not JSON": {set("claims", "{"), 400, "invalid_request", 9002313, "malformed"},
		"claims param is null":  {set("claims", "null"), 400, "invalid_request", 9002313, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(entratest.Server)
				form := validForm(t)
				row.fault(form)
				reply, body := do(t, s, post(t, form))
				got := decode[errorReply](t, body)
				assert.Equal(t, row.status, reply.StatusCode)
				assert.Equal(t, row.oauth, got.Error)
				assert.Equal(t, []int{row.code}, got.ErrorCodes)
				assert.Contains(t, got.ErrorDescription, row.text)

				fixed, _ := do(t, s, post(t, validForm(t)))
				assert.Equal(t, http.StatusOK, fixed.StatusCode)
			})
		})
	}
}

func TestTokenEndpointRequiresAForm(t *testing.T) {
	for name, row := range map[string]struct {
		contentType, body string
		code              int // 0 means a token
	}{
		"form":            {"application/x-www-form-urlencoded", validForm(t).Encode(), 0},
		"form, charset":   {"application/x-www-form-urlencoded; charset=utf-8", validForm(t).Encode(), 0},
		"JSON":            {"application/json", `{"grant_type":"client_credentials"}`, 900144},
		"no content type": {"", validForm(t).Encode(), 900144},
		"bad escape":      {"application/x-www-form-urlencoded", validForm(t).Encode() + "&x=%zz", 9002313},
		"HTML separators": {"application/x-www-form-urlencoded", strings.ReplaceAll(validForm(t).Encode(), "&", "&amp;"), 9002313},
		"more than a MiB": {"application/x-www-form-urlencoded", validForm(t).Encode() + "&x=" + strings.Repeat("x", 1<<20), 9002313},
		"no fields":       {"application/x-www-form-urlencoded", "", 900144},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tokenURL, strings.NewReader(row.body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", row.contentType)
			reply, body := do(t, new(entratest.Server), r)
			if row.code == 0 {
				assert.Equal(t, http.StatusOK, reply.StatusCode, body)
				return
			}
			assert.Equal(t, http.StatusBadRequest, reply.StatusCode, body)
			assert.Equal(t, []int{row.code}, decode[errorReply](t, body).ErrorCodes)
		})
	}
}

func TestAssertionIsAcceptedFiveMinutesPastItsExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, form := new(entratest.Server), validForm(t)
		time.Sleep(time.Hour + 5*time.Minute)
		reply, _ := do(t, s, post(t, form))
		assert.Equal(t, http.StatusOK, reply.StatusCode)
		time.Sleep(time.Nanosecond)
		reply, _ = do(t, s, post(t, form))
		assert.Equal(t, http.StatusUnauthorized, reply.StatusCode)
	})
}

func TestLenientServerAcceptsAnAssertionWithoutExpiry(t *testing.T) {
	reply, body := do(t, new(entratest.Server), post(t, with(validForm(t), "client_assertion", jwtOf(`{}`, `{}`))))
	assert.Equal(t, http.StatusOK, reply.StatusCode, body)
}

func TestWrongMethodIs405(t *testing.T) {
	for target, allowed := range map[string]string{
		tokenURL:                          "POST",
		"https://h/t/oauth2/token":        "POST",
		"https://h/t/discovery/v2.0/keys": "GET",
		"https://h/t/v2.0/.well-known/openid-configuration": "GET",
		"https://h/common/discovery/instance":               "GET",
	} {
		r := get(t, target)
		if allowed == "GET" {
			r.Method = http.MethodPut
		}
		reply, body := do(t, new(entratest.Server), r)
		assert.Equal(t, http.StatusMethodNotAllowed, reply.StatusCode)
		assert.Equal(t, allowed, reply.Header.Get("Allow"))
		assert.Equal(t, []int{900561}, decode[errorReply](t, body).ErrorCodes)
	}
}

// Browsers send this CORS preflight request before a page of another site may read a document.
func TestDocumentsAnswerOPTIONS(t *testing.T) {
	for _, target := range []string{"https://h/t/discovery/v2.0/keys", "https://h/t/v2.0/.well-known/openid-configuration", "https://h/common/discovery/instance"} {
		r := get(t, target)
		r.Method = http.MethodOptions
		reply, body := do(t, new(entratest.Server), r)
		assert.Equal(t, http.StatusOK, reply.StatusCode)
		assert.Empty(t, body)
		assert.Equal(t, "*", reply.Header.Get("Access-Control-Allow-Origin"))
		assert.Equal(t, "GET, OPTIONS", reply.Header.Get("Access-Control-Allow-Methods"))
	}
}

func TestUnknownPathIs404(t *testing.T) {
	for _, path := range []string{"", "/", "/contoso", "/oauth2/v2.0/token", "//oauth2/v2.0/token", "/a/b/oauth2/v2.0/token"} {
		reply, _ := do(t, new(entratest.Server), get(t, "https://h"+path))
		assert.Equal(t, http.StatusNotFound, reply.StatusCode, path)
	}
}
