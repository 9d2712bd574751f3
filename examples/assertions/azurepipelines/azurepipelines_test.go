package azurepipelines_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/assertions/azurepipelines"
	"github.com/entrafed/entrafed/examples/assertions/internal/contract"
	"github.com/entrafed/entrafed/tokenfile"
)

// newJob starts the fake and sets the environment of a step.
func newJob(t *testing.T) *fakePipelines {
	t.Helper()
	f := newFakePipelines()
	t.Cleanup(f.server.Close)
	for name, value := range f.environment() {
		t.Setenv(name, value)
	}
	return f
}

func (f *fakePipelines) source() func(context.Context) (string, error) {
	return azurepipelines.New(connection, &azurepipelines.Options{Client: f.server.Client()})
}

func TestTokenForEntra(t *testing.T) {
	raw, err := newJob(t).source()(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, issuerURL, token.Issuer)
	assert.Equal(t, subject, token.Subject)
	assert.Equal(t, []string{"api://AzureADTokenExchange"}, []string(token.Audience))
}

func TestMalformedEnvironment(t *testing.T) {
	const unmapped = `azurepipelines: SYSTEM_ACCESSTOKEN is not set: add "env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)" to the step`
	const notURL = "azurepipelines: SYSTEM_OIDCREQUESTURI is not an https URL"
	for name, test := range map[string]struct{ variable, value, says string }{
		"not a job":            {"SYSTEM_OIDCREQUESTURI", "", "azurepipelines: SYSTEM_OIDCREQUESTURI is not set: this is not an Azure Pipelines job"},
		"token not mapped":     {"SYSTEM_ACCESSTOKEN", "", unmapped},
		"token mapped wrongly": {"SYSTEM_ACCESSTOKEN", "$(SystemAccessToken)", unmapped},
		"plain http":           {"SYSTEM_OIDCREQUESTURI", "http://example.com/oidctoken", notURL},
		"no host":              {"SYSTEM_OIDCREQUESTURI", "https:///oidctoken", notURL},
		"misplaced token":      {"SYSTEM_OIDCREQUESTURI", jobToken, notURL},
		"control character":    {"SYSTEM_OIDCREQUESTURI", "https://example.com/\x7f" + jobToken, notURL},
	} {
		t.Run(name, func(t *testing.T) {
			f := newJob(t)
			t.Setenv(test.variable, test.value)

			_, err := f.source()(t.Context())

			require.EqualError(t, err, test.says)
		})
	}
	t.Run("token that is not valid in a header", func(t *testing.T) {
		f := newJob(t)
		t.Setenv("SYSTEM_ACCESSTOKEN", jobToken+"\nX: y")

		_, err := f.source()(t.Context())

		require.Error(t, err)
		assertNoSecret(t, err, f)
	})
}

func TestNoServiceConnection(t *testing.T) {
	newJob(t)

	_, err := azurepipelines.New(" ", nil)(t.Context())

	require.EqualError(t, err, "azurepipelines: the service connection ID is empty")
}

func TestServiceConnectionThatNoTaskNames(t *testing.T) {
	f := newJob(t)

	_, err := azurepipelines.New("another", &azurepipelines.Options{Client: f.server.Client()})(t.Context())

	require.ErrorContains(t, err, `answered 403 Forbidden; does a task in this stage name the service connection with ID "another"?`)
}

// The header must suppress the redirect to a login page.
func TestTokenOfAnotherJob(t *testing.T) {
	f := newJob(t)
	t.Setenv("SYSTEM_ACCESSTOKEN", "another")

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "answered 401 Unauthorized; is SYSTEM_ACCESSTOKEN this job's token?")
}

func TestUnusableReplies(t *testing.T) {
	for name, reply := range map[string]struct {
		status     int
		body, says string
	}{
		"throttled":    {http.StatusTooManyRequests, jobToken, "answered 429 Too Many Requests"},
		"server error": {http.StatusInternalServerError, jobToken, "answered 500"},
		"login page":   {http.StatusNonAuthoritativeInfo, jobToken, "answered 203"},
		"not JSON":     {http.StatusOK, jobToken, "is not JSON with an oidcToken"},
		"other type":   {http.StatusOK, `{"oidcToken":7}`, "is not JSON with an oidcToken"},
		"no reference": {http.StatusOK, `{"count":151,"value":"There is no explicit reference"}`, "does a task in this stage name the service connection"},
		"too long":     {http.StatusOK, strings.Repeat(jobToken, 10_000), "longer than 65536 bytes"},
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

	_, err := azurepipelines.New(connection, &azurepipelines.Options{Client: client})(t.Context())

	require.ErrorContains(t, err, "answered 307 Temporary Redirect")
	require.NoError(t, client.CheckRedirect(nil, nil), "the caller's client is unchanged")
}

func TestNoReply(t *testing.T) {
	f := newJob(t)
	f.server.Close()

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "azurepipelines: no reply from 127.0.0.1:")
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
	f.reply = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }

	err := contract.Failure(t, f.source())

	require.ErrorContains(t, err, "Options.Assertion: azurepipelines: ")
	require.ErrorContains(t, err, "answered 429 Too Many Requests")
	assertNoSecret(t, err, f)
}

// The other tests are only meaningful if the fake refuses wrong requests.
func TestFakeRefuses(t *testing.T) {
	f := newJob(t)
	client := f.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for name, change := range map[string]struct {
		change func(r *http.Request, query url.Values)
		status int
	}{
		"nothing":          {func(*http.Request, url.Values) {}, http.StatusOK},
		"method":           {func(r *http.Request, _ url.Values) { r.Method = http.MethodGet }, http.StatusMethodNotAllowed},
		"path":             {func(r *http.Request, _ url.Values) { r.URL.Path = "/" }, http.StatusNotFound},
		"no token":         {func(r *http.Request, _ url.Values) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		"other token":      {func(r *http.Request, _ url.Values) { r.Header.Set("Authorization", "Bearer other") }, http.StatusUnauthorized},
		"other scheme":     {func(r *http.Request, _ url.Values) { r.Header.Set("Authorization", "Basic "+jobToken) }, http.StatusUnauthorized},
		"no version":       {func(_ *http.Request, q url.Values) { q.Del("api-version") }, http.StatusBadRequest},
		"other version":    {func(_ *http.Request, q url.Values) { q.Set("api-version", "1.0") }, http.StatusBadRequest},
		"no connection":    {func(_ *http.Request, q url.Values) { q.Del("serviceConnectionId") }, http.StatusBadRequest},
		"other connection": {func(_ *http.Request, q url.Values) { q.Set("serviceConnectionId", "other") }, http.StatusForbidden},
		"parameter added":  {func(_ *http.Request, q url.Values) { q.Set("audience", "x") }, http.StatusBadRequest},
		"no token and no suppression": {func(r *http.Request, _ url.Values) {
			r.Header.Del("Authorization")
			r.Header.Del("X-TFS-FedAuthRedirect")
		}, http.StatusFound},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.server.URL+tokenPath, nil)
			require.NoError(t, err)
			request.Header.Set("Authorization", "Bearer "+jobToken)
			request.Header.Set("X-TFS-FedAuthRedirect", "Suppress")
			query := url.Values{"api-version": {"7.1"}, "serviceConnectionId": {connection}}
			change.change(request, query)
			request.URL.RawQuery = query.Encode()

			response, err := client.Do(request)

			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, change.status, response.StatusCode)
		})
	}
}

func assertNoSecret(t *testing.T, err error, f *fakePipelines) {
	t.Helper()
	for _, secret := range append(f.Issued(), jobToken) {
		if strings.Contains(err.Error(), secret) {
			t.Error("the error contains a token")
		}
	}
}
