package exchange_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestOnly200IsASuccess(t *testing.T) {
	for _, status := range []int{
		0, 100, 199, 201, 202, 203, 204, 206, 300, 302, 304, 400, 401, 403, 404, 405, 407, 418, 429, 451, 499, 500, 502, 503, 504, 599, 999, -1,
	} {
		e := refused(t, always(status, "application/json", success))
		assert.Equal(t, status, e.StatusCode)
		assert.Contains(t, e.Error(), fmt.Sprintf("HTTP %d", status))
		assert.Contains(t, e.Error(), "application/json")
		assertNoAccessToken(t, e)
	}
}

func TestBodiesThatAreNoReply(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "white space": " \n", "truncated": success[:len(success)-20], "truncated early": `{"access_token":"` + accessToken,
		"HTML": "<html><body>Sign in</body></html>", "array": "[" + success + "]", "string": `"x"`, "number": "5", "null": "null", "two objects": success + success,
		"BOM only": "\ufeff", "single quotes": strings.ReplaceAll(success, `"`, `'`), "deep": strings.Repeat("[", 100_000), "NUL": "\x00",
	} {
		for _, status := range []int{200, 400, 502} {
			t.Run(name+"/"+strconv.Itoa(status), func(t *testing.T) {
				e := refused(t, always(status, "text/html; charset=utf-8", text))
				assert.Contains(t, e.Error(), strconv.Itoa(status))
				assert.Contains(t, e.Error(), "text/html")
				assert.Empty(t, e.Code)
				if status == 200 {
					assert.Contains(t, e.Error(), "the reply is not from a token endpoint")
				}
				assertNoAccessToken(t, e)
				assertFitToPrint(t, e.Error())
				assert.Less(t, len(e.Error()), 1024)
			})
		}
	}
}

// A proxy's own text says the most about its refusal. A body with status 200 may be half a token.
func TestExcerptOfARefusalByAProxy(t *testing.T) {
	e := refused(t, always(418, "text/plain", "no tokens here"))
	assert.Equal(t, 1, strings.Count(e.Error(), "no tokens here"), e.Error())
	assert.Equal(t, 1, strings.Count(e.Error(), http.StatusText(http.StatusTeapot)), e.Error())
	assert.Equal(t, 1, strings.Count(e.Error(), "418"), e.Error())

	e = refused(t, always(407, "text/html", "<html>\r\n\t<b>Proxy   says no</b>"+strings.Repeat("!", 1<<16)))
	assert.Contains(t, e.Error(), "<html> <b>Proxy says no</b>")
	assert.Less(t, len(e.Error()), 512)

	assert.Contains(t, refused(t, always(400, "text/plain", "bad gateway address")).Error(), "bad gateway address")
	assert.NotContains(t, refused(t, always(200, "text/plain", "half a secret")).Error(), "half a secret")
}

// A success with the wrong status, from an endpoint with its own format, holds a token that does
// not look like one.
func TestNoExcerptOfWhatMayHoldAToken(t *testing.T) {
	for _, text := range []string{
		`{"access_token":"OPAQUE"}`, `{"accessToken":"OPAQUE"}`, `{"Access_Token":"OPAQUE"}`, `{"token":"OPAQUE"}`,
		`{"access\u005ftoken":"OPAQUE"}`, `{"\u0074oken":"OPAQUE"}`,
		`{"value":"OPAQUE",` + strings.Repeat(" ", 1000) + `"kind":"AccessToken"}`, "<Token>OPAQUE</Token>", "access_token=OPAQUE",
	} {
		assert.NotContains(t, refused(t, always(403, "", text)).Error(), "OPAQUE", text)
	}
	assert.Contains(t, refused(t, always(403, "", `{"message":"denied by policy"}`)).Error(), "denied by policy")
}

func TestContentTypeInErrors(t *testing.T) {
	for contentType, want := range map[string]string{
		"": "no usable Content-Type", "garbage;;;=": "no usable Content-Type", "text/html; charset=utf-8": "text/html",
		"text/" + strings.Repeat("x", 10_000): "text/xxxx",
	} {
		e := refused(t, always(502, contentType, ""))
		assert.Contains(t, e.Error(), want)
		assert.Less(t, len(e.Error()), 512)
	}
}

func TestSparseResponses(t *testing.T) {
	for name, resp := range map[string]*http.Response{
		"no header, body, request": {StatusCode: 502},
		"success without a body":   {StatusCode: 200},
		"redirect":                 {StatusCode: 302, Header: http.Header{"Location": {"/x"}}},
		"zero":                     {},
	} {
		t.Run(name, func(t *testing.T) {
			e := refused(t, doFunc(func(*http.Request) (*http.Response, error) { return resp, nil }))
			assert.Equal(t, resp.StatusCode, e.StatusCode)
			assertFitToPrint(t, e.Error())
		})
	}
}

func TestSparseSuccess(t *testing.T) {
	resp := reply(200, "", success)
	resp.Header, resp.Status = nil, ""
	token, err := do(t, doFunc(func(*http.Request) (*http.Response, error) { return resp, nil }))
	require.NoError(t, err)
	assert.Equal(t, accessToken, token.Token)
}

func TestMissingResponseIsAnError(t *testing.T) {
	token, err := do(t, doFunc(func(*http.Request) (*http.Response, error) { return nil, nil }))
	require.Error(t, err)
	assert.Zero(t, token)
	assert.NotErrorAs(t, err, new(*exchange.Error))
}

func TestPolicyThatReturnsNothingIsAnError(t *testing.T) {
	nothing := policyFunc(func(*policy.Request) (*http.Response, error) { return nil, nil })
	for name, bend := range map[string]func(*exchange.ClientOptions){
		"per call":  func(o *exchange.ClientOptions) { o.PerCallPolicies = []policy.Policy{nothing} },
		"per retry": func(o *exchange.ClientOptions) { o.PerRetryPolicies = []policy.Policy{nothing} },
	} {
		t.Run(name, func(t *testing.T) {
			o := once(always(200, "application/json", success))
			bend(o)
			r := request()
			r.OnRefusal = func(*exchange.Error) { assert.Fail(t, "there was no reply") }
			token, err := newClient(t, o).Exchange(t.Context(), r)
			require.ErrorContains(t, err, "a policy returned neither a reply nor an error")
			assert.Zero(t, token)
		})
	}
}

// An error for a reply that is not Entra ID's has to name the server that sent it.
func TestUnusableReplyNamesTheURL(t *testing.T) {
	elsewhere := func(r *http.Request) (*http.Response, error) {
		resp := reply(404, "text/html", "<h1>Not found</h1>")
		resp.Request = r
		return resp, nil
	}
	for authority, want := range map[string]string{
		"":                              "https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token",
		"https://h.example:8443/a":      "https://h.example:8443/a/" + tenantID + "/oauth2/v2.0/token",
		"https://h.example/" + tenantID: "https://h.example/" + tenantID + "/" + tenantID + "/oauth2/v2.0/token",
	} {
		for name, transport := range map[string]doFunc{
			"not found":            elsewhere,
			"without a request":    always(404, "", ""),
			"useless success":      always(200, "application/json", `{"access_token":"x"}`),
			"page with status 200": always(200, "text/html", "<html></html>"),
		} {
			o := once(transport)
			o.Authority = authority
			o.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
				r.Raw().URL.RawQuery = "key=value"
				return r.Next()
			})}
			_, err := newClient(t, o).Exchange(t.Context(), request())
			e, ok := errors.AsType[*exchange.Error](err)
			require.True(t, ok, name)
			assert.Equal(t, want, e.URL(), name)
			assert.Equal(t, 1, strings.Count(err.Error(), "(from "+want+")"), err.Error())
			assert.NotContains(t, err.Error(), "key=value")
		}
	}
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	proxy.entra.SetReply(&entratest.Reply{Status: 404})
	for _, o := range []*exchange.ClientOptions{
		proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem}),
		proxy.binding(exchange.IdentityBinding{}),
	} {
		if o.IdentityBinding.CAData == "" {
			o.Transport = always(404, "", "")
		}
		_, err := exchangeAt(t, o)
		assert.ErrorContains(t, err, "(from "+proxy.URL+"/base/"+tenantID+"/oauth2/v2.0/token)")
	}

	refusal := refused(t, always(400, "application/json", entraError(" ")))
	assert.NotContains(t, refusal.Error(), "https://", "Entra ID's own refusal needs no URL")
}
