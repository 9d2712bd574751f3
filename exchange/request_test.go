package exchange_test

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// sent makes an exchange and returns its only request and that request's body.
func sent(t testing.TB, o *exchange.ClientOptions, r exchange.Request) (*http.Request, string) {
	t.Helper()
	var requests []*http.Request
	var text string
	o.Transport = doFunc(func(r *http.Request) (*http.Response, error) {
		requests = append(requests, r)
		text = body(t, r)
		return reply(200, "application/json", success), nil
	})
	_, err := newClient(t, o).Exchange(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, requests, 1)
	return requests[0], text
}

func TestExchangeIsOnePost(t *testing.T) {
	r, text := sent(t, &exchange.ClientOptions{}, request())
	assert.Equal(t, http.MethodPost, r.Method)
	assert.Equal(t, "https://login.microsoftonline.com/"+tenantID+"/oauth2/v2.0/token", r.URL.String())
	assert.Equal(t, int64(len(text)), r.ContentLength)
	form, err := url.ParseQuery(text)
	require.NoError(t, err)
	assert.Equal(t, url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {clientID},
		"scope":                 {scope},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}, form)
}

func TestExchangeAgainstTheFake(t *testing.T) {
	var entra entratest.Server
	token, err := do(t, &entra)
	require.NoError(t, err)
	assert.NotEmpty(t, token.Token)
	require.Len(t, entra.Requests(), 1, "one request, no discovery")
	assert.Equal(t, entratest.KindToken, entra.Requests()[0].Kind)
}

func TestHeadersOfTheRequest(t *testing.T) {
	o := &exchange.ClientOptions{}
	o.Telemetry.ApplicationID = "checkout"
	r, _ := sent(t, o, request())
	assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
	assert.Equal(t, "application/json", r.Header.Get("Accept"))
	assert.Regexp(t, guid, r.Header.Get("client-request-id"))
	assert.Equal(t, "true", r.Header.Get("return-client-request-id"))
	assert.Regexp(t, `^checkout azsdk-go-entrafed/v\d+\.\d+\.\d+ \(go`, r.Header.Get("User-Agent"))
	assert.Empty(t, r.Header.Get("Authorization"))
}

func TestTelemetryCanBeDisabled(t *testing.T) {
	o := &exchange.ClientOptions{}
	o.Telemetry.Disabled = true
	r, _ := sent(t, o, request())
	assert.NotContains(t, r.Header.Get("User-Agent"), "entrafed")
}

func TestCorrelationID(t *testing.T) {
	const id = "99999999-8888-4777-8666-555555555555"
	with := request()
	with.CorrelationID = id
	r, _ := sent(t, &exchange.ClientOptions{}, with)
	assert.Equal(t, id, r.Header.Get("client-request-id"))

	first, _ := sent(t, &exchange.ClientOptions{}, request())
	second, _ := sent(t, &exchange.ClientOptions{}, request())
	assert.Regexp(t, guid, first.Header.Get("client-request-id"))
	assert.NotEqual(t, first.Header.Get("client-request-id"), second.Header.Get("client-request-id"))
}

func TestAttemptsShareTheirCorrelationID(t *testing.T) {
	ids := map[string]int{}
	o := &exchange.ClientOptions{}
	o.Retry.RetryDelay = time.Nanosecond
	o.Transport = doFunc(func(r *http.Request) (*http.Response, error) {
		ids[r.Header.Get("client-request-id")]++
		assert.NotEmpty(t, body(t, r))
		return reply(503, "text/plain", "busy"), nil
	})
	_, err := newClient(t, o).Exchange(t.Context(), request())
	require.Error(t, err)
	require.Len(t, ids, 1)
	for _, n := range ids {
		assert.Equal(t, 4, n)
	}
}

func TestScopesGoOutVerbatim(t *testing.T) {
	for want, scopes := range map[string][]string{
		"https://vault.azure.net/.default":          {"https://vault.azure.net/.default"},
		"https://vault.azure.net//.default":         {"https://vault.azure.net//.default"},
		"https://a.example/.default offline_access": {"https://a.example/.default", "offline_access"},
		"api://x/read": {"api://x/read"},
		"https%3A%2F%2Fvault.azure.net%2F.default": {"https%3A%2F%2Fvault.azure.net%2F.default"},
		"a+b&c=d é":                                     {"a+b&c=d", "é"},
		" https://spaces.example/.default ":             {" https://spaces.example/.default "},
		"HTTPS://Case.Example/.Default":                 {"HTTPS://Case.Example/.Default"},
		"00000003-0000-0000-c000-000000000000/.default": {"00000003-0000-0000-c000-000000000000/.default"},
	} {
		with := request()
		with.Scopes = scopes
		_, text := sent(t, &exchange.ClientOptions{}, with)
		form, err := url.ParseQuery(text)
		require.NoError(t, err)
		assert.Equal(t, []string{want}, form["scope"], "decoded once")
	}
	_, text := sent(t, &exchange.ClientOptions{}, request())
	assert.Contains(t, text, "scope=https%3A%2F%2Fvault.azure.net%2F.default", "encoded once")
	assert.NotContains(t, text, "&amp;")
}

func TestTenantIsSentAsGiven(t *testing.T) {
	with := request()
	with.TenantID = "Contoso.OnMicrosoft.com"
	r, _ := sent(t, &exchange.ClientOptions{}, with)
	assert.Equal(t, "/Contoso.OnMicrosoft.com/oauth2/v2.0/token", r.URL.Path)
}
