package googlemetadata_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/assertions/googlemetadata"
	"github.com/entrafed/entrafed/examples/assertions/internal/contract"
	"github.com/entrafed/entrafed/tokenfile"
)

func newInstance(t *testing.T) *fakeServer {
	t.Helper()
	f := newFakeServer()
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeServer) source() func(context.Context) (string, error) {
	return googlemetadata.New(&googlemetadata.Options{Endpoint: f.server.URL + tokenPath})
}

func TestTokenForEntra(t *testing.T) {
	raw, err := newInstance(t).source()(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, issuerURL, token.Issuer)
	assert.Equal(t, subject, token.Subject)
	assert.Equal(t, []string{"api://AzureADTokenExchange"}, []string(token.Audience))
}

func TestAudienceIsEscaped(t *testing.T) {
	f := newInstance(t)

	raw, err := googlemetadata.New(&googlemetadata.Options{
		Endpoint: f.server.URL + tokenPath, Audience: "api://a b&audience=c",
	})(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, []string{"api://a b&audience=c"}, []string(token.Audience))
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
	f := newInstance(t)
	// This address is on this machine, but it is not one that net/http excludes from the proxy.
	endpoint := strings.Replace(f.server.URL, "127.0.0.1", "0.0.0.0", 1) + tokenPath

	_, err := googlemetadata.New(&googlemetadata.Options{Endpoint: endpoint})(t.Context())

	require.NoError(t, err)
}

func TestNoServiceAccount(t *testing.T) {
	f := newInstance(t)

	_, err := googlemetadata.New(&googlemetadata.Options{Endpoint: f.server.URL + "/elsewhere"})(t.Context())

	require.ErrorContains(t, err, "answered 404 Not Found; does this machine, service or pod have a service account?")
}

func TestMalformedEndpoint(t *testing.T) {
	_, err := googlemetadata.New(&googlemetadata.Options{Endpoint: "http://a b"})(t.Context())

	require.ErrorContains(t, err, "Options.Endpoint")
}

// A network that answers every request, such as a hotel's, must not be mistaken for the metadata
// server.
func TestAnotherServer(t *testing.T) {
	f := newInstance(t)
	f.reply = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del("Metadata-Flavor")
		_, _ = w.Write([]byte("a.b.c"))
	}

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "googlemetadata: not Google's metadata server")
}

func TestUnusableReplies(t *testing.T) {
	const secret = "identity-token-that-is-secret"
	for name, reply := range map[string]struct {
		status     int
		body, says string
	}{
		"throttled":    {http.StatusTooManyRequests, secret, "answered 429 Too Many Requests"},
		"server error": {http.StatusServiceUnavailable, secret, "answered 503 Service Unavailable"},
		"not a token":  {http.StatusOK, secret, "is not a token"},
		"empty":        {http.StatusOK, "", "is not a token"},
		"too long":     {http.StatusOK, strings.Repeat(secret, 10_000), "longer than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newInstance(t)
			f.reply = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(reply.status)
				_, _ = w.Write([]byte(reply.body))
			}

			_, err := f.source()(t.Context())

			require.ErrorContains(t, err, "googlemetadata: ")
			require.ErrorContains(t, err, reply.says)
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	f := newInstance(t)
	f.reply = http.RedirectHandler(contract.Elsewhere(t), http.StatusFound).ServeHTTP

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "answered 302 Found")
}

func TestNoReply(t *testing.T) {
	f := newInstance(t)
	f.server.Close()

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "googlemetadata: no reply from the metadata server: ")
}

func TestContextEndsTheRequest(t *testing.T) {
	require.ErrorIs(t, contract.Canceled(t, newInstance(t).source()), context.Canceled)
}

func TestConcurrentUse(t *testing.T) {
	f := newInstance(t)
	contract.IsConcurrent(t, f.source(), f.Issued)
}

func TestSignIn(t *testing.T) {
	f := newInstance(t)
	contract.SignsIn(t, f.source(), f.Issued)
}

func TestFailedSignInNamesTheSource(t *testing.T) {
	f := newInstance(t)
	f.reply = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }

	err := contract.Failure(t, f.source())

	require.ErrorContains(t, err, "Options.Assertion: googlemetadata: ")
	require.ErrorContains(t, err, "answered 429 Too Many Requests")
}

// The other tests are only meaningful if the fake refuses wrong requests.
func TestFakeRefuses(t *testing.T) {
	f := newInstance(t)
	for name, change := range map[string]struct {
		change func(r *http.Request, query url.Values)
		status int
	}{
		"nothing":         {func(*http.Request, url.Values) {}, http.StatusOK},
		"method":          {func(r *http.Request, _ url.Values) { r.Method = http.MethodPost }, http.StatusMethodNotAllowed},
		"path":            {func(r *http.Request, _ url.Values) { r.URL.Path += "/" }, http.StatusNotFound},
		"no header":       {func(r *http.Request, _ url.Values) { r.Header.Del("Metadata-Flavor") }, http.StatusForbidden},
		"forwarded":       {func(r *http.Request, _ url.Values) { r.Header.Set("X-Forwarded-For", "10.0.0.1") }, http.StatusForbidden},
		"no audience":     {func(_ *http.Request, q url.Values) { q.Del("audience") }, http.StatusBadRequest},
		"two audiences":   {func(_ *http.Request, q url.Values) { q.Add("audience", "b") }, http.StatusBadRequest},
		"parameter added": {func(_ *http.Request, q url.Values) { q.Set("x", "y") }, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+tokenPath, nil)
			require.NoError(t, err)
			request.Header.Set("Metadata-Flavor", "Google")
			query := url.Values{"audience": {"api://AzureADTokenExchange"}}
			change.change(request, query)
			request.URL.RawQuery = query.Encode()

			response, err := f.server.Client().Do(request)

			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, change.status, response.StatusCode)
		})
	}
}
