package githubactions_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/assertions/githubactions"
	"github.com/entrafed/entrafed/examples/assertions/internal/contract"
	"github.com/entrafed/entrafed/tokenfile"
)

// newJob starts the fake and sets the environment of a job.
func newJob(t *testing.T) *fakeActions {
	t.Helper()
	f := newFakeActions()
	t.Cleanup(f.server.Close)
	for name, value := range f.environment() {
		t.Setenv(name, value)
	}
	return f
}

func (f *fakeActions) source() func(context.Context) (string, error) {
	return githubactions.New(&githubactions.Options{Client: f.server.Client()})
}

func TestTokenForEntra(t *testing.T) {
	f := newJob(t)

	raw, err := f.source()(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, issuerURL, token.Issuer)
	assert.Equal(t, subject, token.Subject)
	assert.Equal(t, []string{"api://AzureADTokenExchange"}, []string(token.Audience))
}

func TestAudienceIsEscaped(t *testing.T) {
	f := newJob(t)
	source := githubactions.New(&githubactions.Options{Client: f.server.Client(), Audience: "api://a b&audience=c"})

	raw, err := source(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, []string{"api://a b&audience=c"}, []string(token.Audience))
}

func TestMissingPermission(t *testing.T) {
	for _, missing := range []string{"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"} {
		t.Run(missing, func(t *testing.T) {
			f := newJob(t)
			t.Setenv(missing, "")

			_, err := f.source()(t.Context())

			require.ErrorContains(t, err, missing)
			require.ErrorContains(t, err, "permissions: id-token: write")
			assertNoSecret(t, err, f)
		})
	}
}

func TestMalformedEnvironment(t *testing.T) {
	for name, url := range map[string]string{
		"plain http":        "http://example.com/token?api-version=2.0",
		"no host":           "https:///token",
		"misplaced token":   requestToken,
		"control character": "https://example.com/\x7f" + requestToken,
	} {
		t.Run(name, func(t *testing.T) {
			f := newJob(t)
			t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", url)

			_, err := f.source()(t.Context())

			require.EqualError(t, err, "githubactions: ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL")
		})
	}
	t.Run("token that is not valid in a header", func(t *testing.T) {
		f := newJob(t)
		t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", requestToken+"\nX: y")

		_, err := f.source()(t.Context())

		require.Error(t, err)
		assertNoSecret(t, err, f)
	})
}

func TestUnusableReplies(t *testing.T) {
	for name, reply := range map[string]struct {
		status     int
		body, says string
	}{
		"refused":      {http.StatusForbidden, requestToken, "answered 403 Forbidden"},
		"server error": {http.StatusInternalServerError, requestToken, "answered 500"},
		"not JSON":     {http.StatusOK, requestToken, "is not JSON"},
		"other type":   {http.StatusOK, `{"value":7}`, "is not JSON with a token"},
		"no value":     {http.StatusOK, `{"count":0}`, "is not JSON with a token"},
		"too long":     {http.StatusOK, strings.Repeat(requestToken, 10_000), "longer than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newJob(t)
			f.reply = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(reply.status)
				_, _ = w.Write([]byte(reply.body))
			}

			_, err := f.source()(t.Context())

			require.ErrorContains(t, err, reply.says)
			assertNoSecret(t, err, f)
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	f := newJob(t)
	f.reply = http.RedirectHandler(contract.Elsewhere(t), http.StatusTemporaryRedirect).ServeHTTP
	client := f.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return nil } // follows redirects

	_, err := githubactions.New(&githubactions.Options{Client: client})(t.Context())

	require.ErrorContains(t, err, "answered 307 Temporary Redirect")
	require.NoError(t, client.CheckRedirect(nil, nil), "the caller's client is unchanged")
}

func TestNoReply(t *testing.T) {
	f := newJob(t)
	f.server.Close()

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "githubactions: no reply from 127.0.0.1:")
	assert.NotContains(t, err.Error(), "api-version")
	assertNoSecret(t, err, f)
}

func TestContextEndsTheRequest(t *testing.T) {
	require.ErrorIs(t, contract.Canceled(t, newJob(t).source()), context.Canceled)
}

func TestConcurrentUse(t *testing.T) {
	f := newJob(t)
	contract.IsConcurrent(t, f.source(), f.Issued)
}

func TestSignIn(t *testing.T) {
	f := newJob(t)
	contract.SignsIn(t, f.source(), f.Issued)
}

func TestFailedSignInNamesTheSource(t *testing.T) {
	f := newJob(t)
	f.reply = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }

	err := contract.Failure(t, f.source())

	require.ErrorContains(t, err, "Options.Assertion: githubactions: ")
	require.ErrorContains(t, err, "answered 403 Forbidden")
	assertNoSecret(t, err, f)
}

// The other tests are only meaningful if the fake refuses wrong requests.
func TestFakeRefuses(t *testing.T) {
	f := newJob(t)
	right := f.environment()["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api%3A%2F%2FAzureADTokenExchange"
	for name, wrong := range map[string]struct {
		method, url, authorization string
		status                     int
	}{
		"nothing":       {http.MethodGet, right, "bearer " + requestToken, http.StatusOK},
		"method":        {http.MethodPost, right, "bearer " + requestToken, http.StatusNotFound},
		"path":          {http.MethodGet, f.server.URL + "/?audience=a", "bearer " + requestToken, http.StatusNotFound},
		"no token":      {http.MethodGet, right, "", http.StatusUnauthorized},
		"other token":   {http.MethodGet, right, "bearer other", http.StatusUnauthorized},
		"other scheme":  {http.MethodGet, right, "basic " + requestToken, http.StatusUnauthorized},
		"no audience":   {http.MethodGet, f.environment()["ACTIONS_ID_TOKEN_REQUEST_URL"], "bearer " + requestToken, http.StatusBadRequest},
		"two audiences": {http.MethodGet, right + "&audience=b", "bearer " + requestToken, http.StatusBadRequest},
		"query dropped": {http.MethodGet, f.server.URL + tokenPath + "?audience=a", "bearer " + requestToken, http.StatusBadRequest},
		"query added":   {http.MethodGet, right + "&x=y", "bearer " + requestToken, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), wrong.method, wrong.url, nil)
			require.NoError(t, err)
			request.Header.Set("Authorization", wrong.authorization)

			response, err := f.server.Client().Do(request)

			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, wrong.status, response.StatusCode)
		})
	}
}

func assertNoSecret(t *testing.T, err error, f *fakeActions) {
	t.Helper()
	for _, secret := range append(f.Issued(), requestToken) {
		if strings.Contains(err.Error(), secret) {
			t.Error("the error contains a token")
		}
	}
}
