package managedidentity_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/assertions/internal/contract"
	"github.com/entrafed/entrafed/examples/assertions/managedidentity"
	"github.com/entrafed/entrafed/tokenfile"
)

func newMachine(t *testing.T) *fakeIMDS {
	t.Helper()
	f := newFakeIMDS()
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeIMDS) source() func(context.Context) (string, error) {
	return managedidentity.New(identity, &managedidentity.Options{Endpoint: f.server.URL + tokenPath})
}

func TestTokenForEntra(t *testing.T) {
	raw, err := newMachine(t).source()(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, "https://login.microsoftonline.com/"+homeTenant+"/v2.0", token.Issuer)
	assert.Equal(t, principalID, token.Subject)
	assert.Equal(t, []string{"api://AzureADTokenExchange"}, []string(token.Audience))
}

func TestNationalClouds(t *testing.T) {
	f := newMachine(t)
	for _, audience := range []string{managedidentity.AudienceUSGov, managedidentity.AudienceChina} {
		source := managedidentity.New(identity, &managedidentity.Options{Audience: audience, Endpoint: f.server.URL + tokenPath})

		raw, err := source(t.Context())

		require.NoError(t, err)
		token, err := tokenfile.Parse(raw)
		require.NoError(t, err)
		assert.Equal(t, []string{audience}, []string(token.Audience))
	}
}

// TestMain sets a proxy that does not answer. net/http reads it at the first request of the
// process, so it must be set before that.
func TestMain(m *testing.M) {
	_ = os.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	_ = os.Unsetenv("NO_PROXY")
	_ = os.Unsetenv("no_proxy")
	m.Run()
}

// A proxy would see the machine's token.
func TestProxyIsNotUsed(t *testing.T) {
	f := newMachine(t)
	// This address is on this machine, but it is not one that net/http excludes from the proxy.
	endpoint := strings.Replace(f.server.URL, "127.0.0.1", "0.0.0.0", 1) + tokenPath

	_, err := managedidentity.New(identity, &managedidentity.Options{Endpoint: endpoint})(t.Context())

	require.NoError(t, err)
}

func TestNoClientID(t *testing.T) {
	_, err := managedidentity.New(" ", nil)(t.Context())

	require.EqualError(t, err, "managedidentity: no client ID: a federated credential needs a user-assigned managed identity")
}

func TestIdentityThatIsNotAssigned(t *testing.T) {
	f := newMachine(t)

	_, err := managedidentity.New("another", &managedidentity.Options{Endpoint: f.server.URL + tokenPath})(t.Context())

	require.ErrorContains(t, err, `"Identity not found"`)
	require.ErrorContains(t, err, `is the identity with client ID "another" assigned to this machine?`)
}

func TestMalformedEndpoint(t *testing.T) {
	_, err := managedidentity.New(identity, &managedidentity.Options{Endpoint: "http://a b"})(t.Context())

	require.ErrorContains(t, err, "Options.Endpoint")
}

func TestUnusableReplies(t *testing.T) {
	const secret = "access-token-that-is-secret"
	for name, reply := range map[string]struct {
		status     int
		body, says string
	}{
		"throttled":        {http.StatusTooManyRequests, `{"error":"too many"}`, `answered 429 Too Many Requests: "too many", ""`},
		"being updated":    {http.StatusGone, "", "answered 410 Gone"},
		"server error":     {http.StatusInternalServerError, secret, "answered 500 Internal Server Error"},
		"error with token": {http.StatusBadGateway, `{"access_token":"` + secret + `"}`, "answered 502"},
		"long description": {http.StatusBadRequest, `{"error":"e","error_description":"` + strings.Repeat("d", 1000) + `"}`, `"e", "` + strings.Repeat("d", 300) + `"`},
		"terminal escape":  {http.StatusBadRequest, `{"error":"\u001b[31m"}`, `"\x1b[31m"`},
		"not JSON":         {http.StatusOK, secret, "is not JSON"},
		"other type":       {http.StatusOK, `{"access_token":7}`, "is not JSON with an access_token"},
		"no token":         {http.StatusOK, `{"token_type":"Bearer"}`, "is not JSON with an access_token"},
		"too long":         {http.StatusOK, strings.Repeat(secret, 10_000), "longer than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newMachine(t)
			f.reply = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(reply.status)
				_, _ = w.Write([]byte(reply.body))
			}

			_, err := f.source()(t.Context())

			require.ErrorContains(t, err, "managedidentity: ")
			require.ErrorContains(t, err, reply.says)
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	f := newMachine(t)
	f.reply = http.RedirectHandler(contract.Elsewhere(t), http.StatusFound).ServeHTTP

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "answered 302 Found")
}

func TestNoReply(t *testing.T) {
	f := newMachine(t)
	f.server.Close()

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "managedidentity: no reply from the metadata service: ")
}

func TestContextEndsTheRequest(t *testing.T) {
	require.ErrorIs(t, contract.Canceled(t, newMachine(t).source()), context.Canceled)
}

func TestConcurrentUse(t *testing.T) {
	f := newMachine(t)
	contract.IsConcurrent(t, f.source(), f.Issued)
}

// The app signs in to a tenant that is neither its own nor the managed identity's.
func TestSignInToAnotherTenant(t *testing.T) {
	f := newMachine(t)
	contract.SignsIn(t, f.source(), f.Issued)
}

func TestFailedSignInNamesTheSource(t *testing.T) {
	f := newMachine(t)
	f.reply = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }

	err := contract.Failure(t, f.source())

	require.ErrorContains(t, err, "Options.Assertion: managedidentity: ")
	require.ErrorContains(t, err, "answered 429 Too Many Requests")
}

// The other tests are only meaningful if the fake refuses wrong requests.
func TestFakeRefuses(t *testing.T) {
	f := newMachine(t)
	for name, change := range map[string]struct {
		change func(r *http.Request, query url.Values)
		status int
	}{
		"nothing":         {func(*http.Request, url.Values) {}, http.StatusOK},
		"method":          {func(r *http.Request, _ url.Values) { r.Method = http.MethodPost }, http.StatusMethodNotAllowed},
		"path":            {func(r *http.Request, _ url.Values) { r.URL.Path += "/" }, http.StatusNotFound},
		"no header":       {func(r *http.Request, _ url.Values) { r.Header.Del("Metadata") }, http.StatusBadRequest},
		"header's case":   {func(r *http.Request, _ url.Values) { r.Header.Set("Metadata", "True") }, http.StatusBadRequest},
		"no version":      {func(_ *http.Request, q url.Values) { q.Del("api-version") }, http.StatusBadRequest},
		"other version":   {func(_ *http.Request, q url.Values) { q.Set("api-version", "2017-09-01") }, http.StatusBadRequest},
		"no resource":     {func(_ *http.Request, q url.Values) { q.Del("resource") }, http.StatusBadRequest},
		"two resources":   {func(_ *http.Request, q url.Values) { q.Add("resource", "b") }, http.StatusBadRequest},
		"no identity":     {func(_ *http.Request, q url.Values) { q.Del("client_id") }, http.StatusBadRequest},
		"other identity":  {func(_ *http.Request, q url.Values) { q.Set("client_id", contract.ClientID) }, http.StatusBadRequest},
		"parameter added": {func(_ *http.Request, q url.Values) { q.Set("object_id", principalID) }, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+tokenPath, nil)
			require.NoError(t, err)
			request.Header.Set("Metadata", "true")
			query := url.Values{"api-version": {"2018-02-01"}, "resource": {"api://AzureADTokenExchange"}, "client_id": {identity}}
			change.change(request, query)
			request.URL.RawQuery = query.Encode()

			response, err := f.server.Client().Do(request)

			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, change.status, response.StatusCode)
		})
	}
}
