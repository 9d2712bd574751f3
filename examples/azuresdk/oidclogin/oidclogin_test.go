package oidclogin_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/entrafed/entrafed/examples/azuresdk/oidclogin"
	"github.com/entrafed/entrafed/tokenfile"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	formType      = "application/x-www-form-urlencoded"
)

func Example() {
	w := newWorld() // replaces Entra ID, a pod and a browser
	defer w.Close()
	ctx := context.Background()

	login, err := oidclogin.New(ctx, oidclogin.Config{
		Issuer:      "https://login.microsoftonline.com/" + w.TenantID + "/v2.0",
		ClientID:    w.ClientID,
		RedirectURL: "https://orders.example/callback",
		Scopes:      []string{"profile", "offline_access"},
		Assertion:   tokenfile.New(os.Getenv("AZURE_FEDERATED_TOKEN_FILE")).Assertion,
		Base:        w.HTTP().Transport,
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", login.Start)
	mux.HandleFunc("GET /callback", func(response http.ResponseWriter, r *http.Request) {
		session, err := login.Callback(response, r)
		if err != nil {
			http.Error(response, "sign-in failed", http.StatusUnauthorized)
			return
		}
		session, err = login.Refresh(r.Context(), session) // as an hour later
		fmt.Fprintln(response, session.ID.Subject, err)
	})
	w.serve("orders.example", mux)

	response, err := w.browser.Get("https://orders.example/login")
	if err != nil {
		panic(err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(os.Stdout, response.Body)
	// Output:
	// AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ <nil>
}

func setup(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	t.Cleanup(w.Close)
	return w
}

// visit makes the browser open a URL and follow all redirects.
func (w *world) visit(t *testing.T, target string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	require.NoError(t, err)
	response, err := w.browser.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// signIn signs the user in and fails the test on an error.
func (w *world) signIn(t *testing.T) *oidclogin.Session {
	t.Helper()
	status := w.visit(t, "https://orders.example/login")
	require.NoError(t, w.err)
	require.Equal(t, http.StatusOK, status)
	return w.session
}

// arrive takes the browser to Entra ID and returns the callback's URL without visiting it.
func (w *world) arrive(t *testing.T) *url.URL {
	t.Helper()
	var callback *url.URL
	w.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), redirectURL) {
			callback = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	w.visit(t, "https://orders.example/login")
	w.browser.CheckRedirect = nil
	require.NotNil(t, callback)
	return callback
}

// forms returns the forms posted to the token endpoint so far.
func (w *world) forms(t *testing.T) (forms []url.Values) {
	t.Helper()
	for _, r := range w.wire.to(tokenURL(w.Pod)) {
		assert.Equal(t, http.MethodPost, r.Method)
		assert.Empty(t, r.Header.Get("Authorization"))
		form, err := url.ParseQuery(r.body)
		require.NoError(t, err)
		forms = append(forms, form)
	}
	return forms
}

func TestSignIn(t *testing.T) {
	w := setup(t)
	session := w.signIn(t)

	assert.Equal(t, user, session.ID.Subject)
	assert.True(t, session.Token.Valid())
	forms := w.forms(t)
	require.Len(t, forms, 1)
	assertFields(t, forms[0], "grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_assertion", "client_assertion_type")
	assert.Equal(t, "authorization_code", forms[0].Get("grant_type"))
	assert.Equal(t, w.ClientID, forms[0].Get("client_id"))
	assert.Equal(t, assertionType, forms[0].Get("client_assertion_type"))
	assert.True(t, forms[0].Get("client_assertion") == w.Projection.Token())
	assert.Equal(t, []string{tokenURL(w.Pod)}, w.wire.carry(w.Projection.Token()), "the assertion goes to the token endpoint only")
	assert.Len(t, w.wire.to("https://"+entraHost+"/"+w.TenantID+"/keys"), 1)
}

func TestAuthorizationRequest(t *testing.T) {
	w := setup(t)
	w.signIn(t)
	w.signIn(t)

	requests := w.wire.to("https://" + entraHost + "/" + w.TenantID + "/oauth2/v2.0/authorize")
	require.Len(t, requests, 2)
	first, second := requests[0].URL.Query(), requests[1].URL.Query()
	assertFields(t, first, "client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method")
	assert.Equal(t, "openid profile offline_access", first.Get("scope"))
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		assert.GreaterOrEqual(t, len(first.Get(name)), 26, name)
		assert.NotEqual(t, first.Get(name), second.Get(name), name)
	}
	assert.NotEqual(t, first.Get("state"), first.Get("nonce"))
}

// assertFields asserts that form has exactly these fields, each once.
func assertFields(t *testing.T, form url.Values, names ...string) {
	t.Helper()
	var got []string
	for name, values := range form {
		got = append(got, name)
		assert.Lenf(t, values, 1, "field %s", name)
	}
	assert.ElementsMatch(t, names, got)
}

func TestRefreshReadsTheRotatedToken(t *testing.T) {
	w := setup(t)
	session := w.signIn(t)
	require.NoError(t, w.Projection.Rotate())

	refreshed, err := w.login.Refresh(t.Context(), session)

	require.NoError(t, err)
	forms := w.forms(t)
	require.Len(t, forms, 2)
	assertFields(t, forms[1], "grant_type", "refresh_token", "client_id", "client_assertion", "client_assertion_type")
	assert.Equal(t, "refresh_token", forms[1].Get("grant_type"))
	assert.True(t, forms[1].Get("client_assertion") == w.Projection.Token())
	assert.False(t, forms[1].Get("client_assertion") == forms[0].Get("client_assertion"))
	assert.Equal(t, user, refreshed.ID.Subject)
	assert.True(t, refreshed.Token.Valid())
	assert.False(t, refreshed.Token.AccessToken == session.Token.AccessToken)

	_, err = w.login.Refresh(t.Context(), refreshed)
	require.NoError(t, err, "the new refresh token is in the session")
}

func TestRefreshWithoutIDToken(t *testing.T) {
	w := setup(t)
	session := w.signIn(t)
	w.entra.noID = true

	refreshed, err := w.login.Refresh(t.Context(), session)

	require.NoError(t, err)
	assert.Same(t, session.ID, refreshed.ID)
	assert.False(t, refreshed.Token.RefreshToken == session.Token.RefreshToken)
}

func TestRefreshRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world, session *oidclogin.Session)
		want   string
	}{
		"another user":       {func(w *world, _ *oidclogin.Session) { w.entra.claims = map[string]any{"sub": "another"} }, "oidclogin: the new ID token is for another user"},
		"forged ID token":    {func(w *world, _ *oidclogin.Session) { w.entra.forged = true }, "failed to verify signature"},
		"used refresh token": {func(w *world, _ *oidclogin.Session) { w.entra.refresh = "" }, `oidclogin: oauth2: "invalid_grant"`},
		"no refresh token":   {func(_ *world, session *oidclogin.Session) { session.Token.RefreshToken = "" }, "refresh token is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			session := w.signIn(t)
			test.change(w, session)

			_, err := w.login.Refresh(t.Context(), session)

			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestCookie(t *testing.T) {
	w := setup(t)
	recorder := httptest.NewRecorder()
	w.login.Start(recorder, httptest.NewRequest(http.MethodGet, "https://orders.example/login", nil))

	cookie, err := http.ParseSetCookie(recorder.Header().Get("Set-Cookie"))
	require.NoError(t, err)
	assert.Equal(t, "__Host-oidclogin", cookie.Name)
	assert.True(t, cookie.Secure)
	assert.True(t, cookie.HttpOnly)
	assert.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	assert.Equal(t, "/", cookie.Path)
	assert.Empty(t, cookie.Domain)
	assert.Equal(t, 900, cookie.MaxAge)
	assert.NotContains(t, recorder.Header().Get("Location"), strings.Split(cookie.Value, ".")[2], "the verifier stays in the browser")
}

func TestCallbackRefuses(t *testing.T) {
	const otherState = "oidclogin: the state is not from this browser's sign-in"
	for name, test := range map[string]struct {
		change func(w *world, query url.Values)
		want   string
	}{
		"another state":  {func(_ *world, query url.Values) { query.Set("state", "another") }, otherState},
		"no state":       {func(_ *world, query url.Values) { query.Del("state") }, otherState},
		"empty cookie":   {func(w *world, query url.Values) { query.Del("state"); w.setCookie("..") }, otherState},
		"broken cookie":  {func(w *world, query url.Values) { w.setCookie(query.Get("state")) }, otherState},
		"other browser":  {func(w *world, _ url.Values) { w.browser = newBrowser(w.wire) }, "oidclogin: this browser did not start a sign-in, or took too long"},
		"another nonce":  {withClaim("nonce", "another"), "oidclogin: the ID token is from another sign-in: its nonce differs"},
		"no nonce":       {withClaim("nonce", nil), "oidclogin: the ID token is from another sign-in: its nonce differs"},
		"other issuer":   {withClaim("iss", "https://login.microsoftonline.com/another/v2.0"), "id token issued by a different provider"},
		"other audience": {withClaim("aud", "another"), "expected audience"},
		"expired":        {withClaim("exp", 1), "token is expired"},
		"no ID token":    {func(w *world, _ url.Values) { w.entra.noID = true }, "oidclogin: the token endpoint sent no ID token"},
		"forged":         {func(w *world, _ url.Values) { w.entra.forged = true }, "failed to verify signature"},
		"other verifier": {func(w *world, query url.Values) { w.setCookie(query.Get("state") + ".nonce.verifier") }, `"invalid_grant"`},
		"no consent": {func(_ *world, query url.Values) {
			query.Del("code")
			query.Set("error", "access_denied")
			query.Set("error_description", "AADSTS65004: User declined to consent.\r\nTrace ID")
		}, `oidclogin: the sign-in was refused: "access_denied" "AADSTS65004: User declined to consent.\r\nTrace ID"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			callback := w.arrive(t)
			query := callback.Query()
			test.change(w, query)
			callback.RawQuery = query.Encode()

			status := w.visit(t, callback.String())

			require.ErrorContains(t, w.err, test.want)
			assert.Nil(t, w.session)
			assert.Equal(t, http.StatusUnauthorized, status)
		})
	}
}

func withClaim(name string, value any) func(*world, url.Values) {
	return func(w *world, _ url.Values) { w.entra.claims = map[string]any{name: value} }
}

func (w *world) setCookie(value string) {
	w.browser.Jar.SetCookies(&url.URL{Scheme: "https", Host: appHost}, []*http.Cookie{{Name: "__Host-oidclogin", Value: value, Path: "/", Secure: true}})
}

func TestStateIsValidOnce(t *testing.T) {
	w := setup(t)
	callback := w.arrive(t)

	assert.Equal(t, http.StatusOK, w.visit(t, callback.String()))
	assert.Equal(t, http.StatusUnauthorized, w.visit(t, callback.String()))
	require.ErrorContains(t, w.err, "did not start a sign-in")
}

func TestNoTokenFile(t *testing.T) {
	w := setup(t)
	session := w.signIn(t)
	callback := w.arrive(t)
	require.NoError(t, os.RemoveAll(w.TokenFile))

	w.visit(t, callback.String())
	require.ErrorIs(t, w.err, fs.ErrNotExist)
	_, err := w.login.Refresh(t.Context(), session)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Len(t, w.forms(t), 1, "no request without an assertion")
}

func TestRefusalsDoNotShowTheAssertion(t *testing.T) {
	echo := func(contentType string, status int, format string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, format, r.PostFormValue("client_assertion"))
		}
	}
	for name, test := range map[string]struct {
		token http.HandlerFunc // nil: Entra ID no longer trusts the pod
		want  string
	}{
		"Entra ID":          {nil, "AADSTS70025"},
		"description":       {echo("application/json", 400, `{"error":"invalid_client","error_description":"bad: %s"}`), `"invalid_client" "bad: [redacted]"`},
		"a proxy's page":    {echo("text/html", 502, "<p>%s</p>"), "<p>[redacted]</p>"},
		"an error with 200": {echo("application/json", 200, `{"error":"invalid_client","error_description":"%s"}`), "[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			session := w.signIn(t)
			w.entra.token = test.token
			if test.token == nil {
				require.NoError(t, w.Entra.Revoke(w.Trusted))
			}

			_, err := w.login.Refresh(t.Context(), session)

			require.Len(t, w.forms(t), 2)
			var refusal *oauth2.RetrieveError
			require.ErrorAs(t, err, &refusal)
			assert.Contains(t, refusal.Error(), test.want)
			sent, readErr := io.ReadAll(body(t, refusal.Response.Request))
			require.NoError(t, readErr)
			for _, shown := range []string{err.Error(), fmt.Sprintf("%+v", err), string(refusal.Body), string(sent)} {
				assert.False(t, strings.Contains(shown, w.Projection.Token()), "the assertion is shown")
			}
		})
	}
}

func body(t *testing.T, r *http.Request) io.Reader {
	t.Helper()
	again, err := r.GetBody()
	require.NoError(t, err)
	return again
}

func TestReplyIsBounded(t *testing.T) {
	w := setup(t)
	session := w.signIn(t)
	w.entra.token = func(response http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(response, strings.Repeat(" ", 1<<20+1))
	}

	_, err := w.login.Refresh(t.Context(), session)

	require.ErrorContains(t, err, "oidclogin: the token endpoint's reply is larger than 1048576 bytes")
}

func TestRedirectIsNotFollowed(t *testing.T) {
	w := setup(t)
	session := w.signIn(t)
	w.serve("elsewhere.example", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request went elsewhere") }))
	w.entra.token = func(response http.ResponseWriter, r *http.Request) {
		http.Redirect(response, r, "https://elsewhere.example/token", http.StatusTemporaryRedirect)
	}

	_, err := w.login.Refresh(t.Context(), session)

	require.ErrorContains(t, err, "307 Temporary Redirect")
}

func TestNewRefuses(t *testing.T) {
	w := setup(t)
	for name, change := range map[string]func(*oidclogin.Config){
		"issuer":       func(c *oidclogin.Config) { c.Issuer = "" },
		"client ID":    func(c *oidclogin.Config) { c.ClientID = "" },
		"redirect URL": func(c *oidclogin.Config) { c.RedirectURL = "" },
		"assertion":    func(c *oidclogin.Config) { c.Assertion = nil },
	} {
		config := w.config()
		change(&config)
		_, err := oidclogin.New(t.Context(), config)
		require.EqualErrorf(t, err, "oidclogin: Issuer, ClientID, RedirectURL and Assertion are required", "no %s", name)
	}

	config := w.config()
	config.Issuer = strings.Replace(config.Issuer, "/v2.0", "/v2.0/", 1)
	_, err := oidclogin.New(t.Context(), config)
	require.ErrorContains(t, err, "did not match the issuer URL returned by provider")

	config.Issuer = "http://" + entraHost + "/" + w.TenantID + "/v2.0"
	_, err = oidclogin.New(t.Context(), config)
	require.ErrorContains(t, err, "is not an https URL")

	w.entra.tokenURL = "http://" + entraHost + "/token"
	_, err = oidclogin.New(t.Context(), w.config())
	require.EqualError(t, err, `oidclogin: the token endpoint "http://login.microsoftonline.com/token" is not an https URL`)
}

const secret = "header.claims.signature"

func source(context.Context) (string, error) { return secret, nil }

// sent is a base transport that keeps the last request.
type sent struct {
	*http.Request
	body string
}

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.Request = r
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.body = string(body)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, r.Context().Err()
}

func TestTransportDoesNotChangeOtherRequests(t *testing.T) {
	const endpoint = "https://login.example/tenant/token"
	for name, test := range map[string]struct{ method, url, contentType string }{
		"userinfo":        {http.MethodGet, "https://login.example/tenant/userinfo", ""},
		"posted userinfo": {http.MethodPost, "https://login.example/tenant/userinfo", formType},
		"keys":            {http.MethodGet, "https://login.example/tenant/keys", ""},
		"another method":  {http.MethodPut, endpoint, formType},
		"another type":    {http.MethodPost, endpoint, "application/json"},
		"no type":         {http.MethodPost, endpoint, ""},
		"plain http":      {http.MethodPost, "http://login.example/tenant/token", formType},
		"another host":    {http.MethodPost, "https://elsewhere.example/tenant/token", formType},
		"host as prefix":  {http.MethodPost, "https://login.example.elsewhere.example/tenant/token", formType},
		"another port":    {http.MethodPost, "https://login.example:8443/tenant/token", formType},
		"another tenant":  {http.MethodPost, "https://login.example/other/token", formType},
		"longer path":     {http.MethodPost, endpoint + "/", formType},
		"escaped slash":   {http.MethodPost, "https://login.example/tenant%2Ftoken", formType},
	} {
		t.Run(name, func(t *testing.T) {
			var base sent
			transport, err := oidclogin.NewTransport(endpoint, source, &base)
			require.NoError(t, err)
			r, err := http.NewRequestWithContext(t.Context(), test.method, test.url, strings.NewReader("grant_type=refresh_token"))
			require.NoError(t, err)
			r.Header.Set("Content-Type", test.contentType)

			response, err := transport.RoundTrip(r)

			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Same(t, r, base.Request)
			assert.Equal(t, "grant_type=refresh_token", base.body)
		})
	}
}

func TestTransportMeetsTheRoundTripperContract(t *testing.T) {
	var base sent
	transport, err := oidclogin.NewTransport("https://login.example/tenant/token", source, &base)
	require.NoError(t, err)
	body := &closed{Reader: strings.NewReader("grant_type=refresh_token&client_assertion=stale")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://login.example/tenant/token", body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", formType+"; charset=utf-8")
	r.TransferEncoding = []string{"chunked"}
	before := r.Clone(t.Context())

	response, err := transport.RoundTrip(r)

	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	form, err := url.ParseQuery(base.body)
	require.NoError(t, err)
	assert.Equal(t, url.Values{"grant_type": {"refresh_token"}, "client_assertion": {secret}, "client_assertion_type": {assertionType}}, form)
	assert.Equal(t, int64(len(base.body)), base.ContentLength)
	assert.Empty(t, base.TransferEncoding)
	for range 2 { // a connection can break more than once
		again, err := base.GetBody()
		require.NoError(t, err)
		replayed, err := io.ReadAll(again)
		require.NoError(t, err)
		assert.Equal(t, base.body, string(replayed))
	}
	assert.True(t, body.is)
	assert.Equal(t, before, r, "the caller's request is unchanged")
	assert.Same(t, r, response.Request)
}

func TestTransportFails(t *testing.T) {
	failure := func(context.Context) (string, error) { return "", fs.ErrPermission }
	empty := func(context.Context) (string, error) { return "", nil }
	canceled := func(ctx context.Context) (string, error) { return "", ctx.Err() }
	for name, test := range map[string]struct {
		source func(context.Context) (string, error)
		body   io.Reader
		want   string
	}{
		"no assertion":    {failure, strings.NewReader("a=b"), "oidclogin: no federated token: permission denied"},
		"empty assertion": {empty, strings.NewReader("a=b"), "oidclogin: the federated token is empty"},
		"canceled":        {canceled, strings.NewReader("a=b"), "oidclogin: no federated token: context canceled"},
		"not a form":      {source, strings.NewReader("refresh_token=%zz"), "oidclogin: the token request is not a form"},
		"broken body":     {source, broken{}, "oidclogin: read the token request: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			var base sent
			transport, err := oidclogin.NewTransport("https://login.example/token", test.source, &base)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			body := &closed{Reader: test.body}
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://login.example/token", body)
			require.NoError(t, err)
			r.Header.Set("Content-Type", formType)

			_, err = transport.RoundTrip(r)

			require.EqualError(t, err, test.want)
			assert.True(t, body.is)
			assert.Nil(t, base.Request)
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type closed struct {
	io.Reader
	is bool
}

func (c *closed) Close() error {
	c.is = true
	return nil
}
