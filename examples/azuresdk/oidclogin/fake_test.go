package oidclogin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"golang.org/x/oauth2"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/examples/azuresdk/oidclogin"
	"github.com/entrafed/entrafed/tokenfile"
)

const (
	entraHost   = "login.microsoftonline.com"
	appHost     = "orders.example"
	redirectURL = "https://orders.example/callback"
	user        = "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"
)

// world holds a pod with a web application, an Entra ID that signs users in, and a user's browser.
type world struct {
	*pod.Pod
	entra   *provider
	wire    *wire // carries all requests
	login   *oidclogin.Login
	browser *http.Client

	session *oidclogin.Session // from the last callback
	err     error

	servers []*httptest.Server
}

// newWorld panics on errors, because examples have no *testing.T.
func newWorld() *world {
	p := pod.New()
	w := &world{Pod: p, entra: newProvider(p)}
	w.serve(entraHost, w.entra)
	w.serve(appHost, http.HandlerFunc(w.app))
	w.wire = &wire{base: p.HTTP().Transport}
	w.browser = newBrowser(w.wire)
	var err error
	w.login, err = oidclogin.New(context.Background(), w.config())
	must(err)
	return w
}

func (w *world) Close() {
	w.browser.CloseIdleConnections()
	w.Pod.Close()
	for _, server := range w.servers {
		server.Close()
	}
}

func (w *world) config() oidclogin.Config {
	return oidclogin.Config{
		Issuer:      w.entra.issuer(),
		ClientID:    w.ClientID,
		RedirectURL: redirectURL,
		Scopes:      []string{"profile", "offline_access"},
		Assertion:   tokenfile.New(w.TokenFile).Assertion,
		Base:        w.wire,
	}
}

// app is the web application.
func (w *world) app(response http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/login" {
		w.login.Start(response, r)
		return
	}
	w.session, w.err = w.login.Callback(response, r)
	if w.err != nil {
		http.Error(response, "sign-in failed", http.StatusUnauthorized)
		return
	}
	_, _ = io.WriteString(response, "hello")
}

// serve starts a server over TLS.
func (w *world) serve(host string, handler http.Handler) {
	certificate, err := w.CA.Certificate(host)
	must(err)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	w.Lead(host, server.Listener.Addr().String())
	w.servers = append(w.servers, server)
}

func newBrowser(transport http.RoundTripper) *http.Client {
	jar, err := cookiejar.New(nil)
	must(err)
	return &http.Client{Transport: transport, Jar: jar}
}

// wire records every request.
type wire struct {
	base http.RoundTripper

	mu       sync.Mutex
	requests []request
}

type request struct {
	*http.Request
	body string
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		must(err)
		must(r.Body.Close())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	w.mu.Lock()
	w.requests = append(w.requests, request{r, string(body)})
	w.mu.Unlock()
	return w.base.RoundTrip(r)
}

// to returns the requests to a URL so far.
func (w *wire) to(target string) (found []request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		at := *r.URL
		at.RawQuery = ""
		if at.String() == target {
			found = append(found, r)
		}
	}
	return found
}

// carry returns the URLs of the requests that contain a string anywhere.
func (w *wire) carry(secret string) (urls []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		var head bytes.Buffer
		must(r.Header.Write(&head))
		if strings.Contains(r.URL.String()+head.String()+r.body, secret) {
			urls = append(urls, r.URL.String())
		}
	}
	return urls
}

// provider implements what entratest's Entra ID lacks: users, and the grants for codes and refresh
// tokens. The pod's fake Entra ID validates the client's assertion.
type provider struct {
	pod *pod.Pod

	// Set these only between requests.
	claims   map[string]any   // override the ID token's claims; nil omits one
	forged   bool             // sign with an unpublished key
	noID     bool             // send no ID token
	token    http.HandlerFunc // instead of the token endpoint
	tokenURL string           // in the discovery document

	codes   map[string]url.Values // authorization requests by code
	refresh string                // the only valid refresh token
}

func newProvider(p *pod.Pod) *provider {
	return &provider{pod: p, codes: map[string]url.Values{}, tokenURL: tokenURL(p)}
}

// signingKey is generated only once, because that is slow.
var signingKey = sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	return key
}

func tokenURL(p *pod.Pod) string {
	return "https://" + entraHost + "/" + p.TenantID + "/oauth2/v2.0/token"
}

func (p *provider) issuer() string { return "https://" + entraHost + "/" + p.pod.TenantID + "/v2.0" }

// ServeHTTP implements [http.Handler].
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _ := strings.CutPrefix(r.URL.Path, "/"+p.pod.TenantID)
	switch path {
	case "/v2.0/.well-known/openid-configuration":
		writeJSON(w, map[string]any{
			"issuer":                                p.issuer(),
			"authorization_endpoint":                "https://" + entraHost + "/" + p.pod.TenantID + "/oauth2/v2.0/authorize",
			"token_endpoint":                        p.tokenURL,
			"jwks_uri":                              "https://" + entraHost + "/" + p.pod.TenantID + "/keys",
			"id_token_signing_alg_values_supported": []string{oidc.RS256},
		})
	case "/keys":
		keys := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: signingKey().Public(), KeyID: "1", Algorithm: oidc.RS256}}}
		r.URL.Path = path
		keys.ServeHTTP(w, r)
	case "/oauth2/v2.0/authorize":
		p.authorize(w, r)
	case "/oauth2/v2.0/token":
		if p.token != nil {
			p.token(w, r)
			return
		}
		p.exchange(w, r)
	default:
		http.NotFound(w, r)
	}
}

// authorize acts as a user who is already signed in and consents.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for name, want := range map[string]string{
		"client_id": p.pod.ClientID, "redirect_uri": redirectURL, "response_type": "code", "code_challenge_method": "S256",
	} {
		if query.Get(name) != want {
			http.Error(w, name, http.StatusBadRequest)
			return
		}
	}
	code := rand.Text()
	p.codes[code] = query
	http.Redirect(w, r, redirectURL+"?"+url.Values{"code": {code}, "state": {query.Get("state")}}.Encode(), http.StatusFound)
}

// exchange handles the token endpoint.
func (p *provider) exchange(w http.ResponseWriter, r *http.Request) {
	must(r.ParseForm())
	form := r.PostForm
	if len(form["client_id"]) != 1 || form.Has("client_secret") || r.Header.Get("Authorization") != "" {
		refuse(w, "invalid_request")
		return
	}
	if !p.judge(w, form) {
		return
	}
	var nonce string
	switch form.Get("grant_type") {
	case "authorization_code":
		asked, known := p.codes[form.Get("code")]
		delete(p.codes, form.Get("code"))
		challenge := oauth2.S256ChallengeFromVerifier(form.Get("code_verifier"))
		if !known || asked.Get("code_challenge") != challenge || asked.Get("redirect_uri") != form.Get("redirect_uri") {
			refuse(w, "invalid_grant")
			return
		}
		nonce = asked.Get("nonce")
	case "refresh_token":
		if form.Get("refresh_token") != p.refresh {
			refuse(w, "invalid_grant")
			return
		}
	default:
		refuse(w, "unsupported_grant_type")
		return
	}
	p.refresh = rand.Text()
	reply := map[string]any{
		"token_type": "Bearer", "expires_in": 3599, "access_token": rand.Text(), "refresh_token": p.refresh,
	}
	if !p.noID {
		reply["id_token"] = p.idToken(nonce)
	}
	writeJSON(w, reply)
}

// judge asks the fake Entra ID for a token with the client's assertion. That validates the
// signature, issuer, subject, audience and lifetime. If the assertion is refused, judge replies
// with Entra ID's error.
func (p *provider) judge(w http.ResponseWriter, form url.Values) bool {
	own := url.Values{"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}}
	for _, name := range []string{"client_id", "client_assertion", "client_assertion_type"} {
		own[name] = form[name]
	}
	r := httptest.NewRequest(http.MethodPost, tokenURL(p.pod), strings.NewReader(own.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	judged := httptest.NewRecorder()
	p.pod.Entra.ServeHTTP(judged, r)
	if judged.Code == http.StatusOK {
		return true
	}
	maps.Copy(w.Header(), judged.Header())
	w.WriteHeader(judged.Code)
	_, _ = w.Write(judged.Body.Bytes())
	return false
}

func (p *provider) idToken(nonce string) string {
	claims := map[string]any{
		"iss": p.issuer(), "aud": p.pod.ClientID, "sub": user, "tid": p.pod.TenantID, "nonce": nonce,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if nonce == "" {
		delete(claims, "nonce")
	}
	for name, value := range p.claims {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	encoded, err := json.Marshal(claims)
	must(err)
	key := signingKey()
	if p.forged {
		key = newKey()
	}
	return oidctest.SignIDToken(key, "1", oidc.RS256, string(encoded))
}

func refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	must(json.NewEncoder(w).Encode(map[string]string{"error": code}))
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	must(json.NewEncoder(w).Encode(body))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
