// Package oidclogin signs users of a web application in with Entra ID. The application proves who
// it is with its federated token instead of a client secret. Copy the file.
//
//	login, err := oidclogin.New(ctx, oidclogin.Config{
//		Issuer:      "https://login.microsoftonline.com/TENANT-ID/v2.0",
//		ClientID:    "CLIENT-ID",
//		RedirectURL: "https://orders.example/callback",
//		Scopes:      []string{"profile", "offline_access"},
//		Assertion:   tokenfile.New(os.Getenv("AZURE_FEDERATED_TOKEN_FILE")).Assertion,
//	})
//	if err != nil {
//		return err
//	}
//	mux.HandleFunc("GET /login", login.Start)
//	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
//		session, err := login.Callback(w, r)
//		if err != nil {
//			slog.WarnContext(r.Context(), "sign-in failed", "error", err)
//			http.Error(w, "sign-in failed", http.StatusUnauthorized)
//			return
//		}
//		// Start your own session for session.ID.Subject. Keep session.Token on the server.
//	})
//
// The client ID belongs to an app registration that has the redirect URL on the platform "Web" and
// a federated credential for the pod's service account. A managed identity has no app registration,
// so it cannot sign users in. If the pod's AZURE_CLIENT_ID is a managed identity, register an
// application for the login. Both can trust the same service account.
//
// golang.org/x/oauth2 authenticates clients with a secret only. [Transport] adds the assertion to
// its requests, for both the code and the refresh grant. A program that already has a login can use
// Transport alone, with oauth2.AuthStyleInParams and no secret. Give its http.Client a
// CheckRedirect that returns http.ErrUseLastResponse: a redirect would send the code or the refresh
// token to another host.
//
// Identify users by ID.Subject, which is unique to this application, or by the claims tid and oid.
// Names and e-mail addresses can change and be reassigned.
//
// # Sources
//
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow,
// https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference,
// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/managed-identities-faq
// and https://github.com/golang/oauth2/issues/744
package oidclogin

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	formType      = "application/x-www-form-urlencoded"
	maxReply      = 1 << 20 // bytes; x/oauth2 reads no more of a reply

	cookieName  = "__Host-oidclogin" // the prefix keeps other hosts in the domain from setting it
	cookieParts = 3                  // state, nonce and PKCE verifier
	loginTime   = 15 * time.Minute   // how long the user may take from Start to Callback
)

// Config describes the application.
type Config struct {
	Issuer      string   // required; one tenant's, by ID: https://login.microsoftonline.com/TENANT-ID/v2.0
	ClientID    string   // required
	RedirectURL string   // required; the URL of Callback, exactly as registered
	Scopes      []string // besides openid; "offline_access" requests a refresh token

	// Assertion is required. It returns the federated token, as tokenfile.Source.Assertion does. It
	// is called for each request to the token endpoint and must be safe for concurrent use.
	Assertion func(context.Context) (string, error)

	Base http.RoundTripper // nil means http.DefaultTransport
}

// Login signs users in. It is safe for concurrent use.
type Login struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	client   *http.Client
}

// Session is a user who signed in.
type Session struct {
	ID    *oidc.IDToken // verified
	Token *oauth2.Token // secret; has a refresh token if the scopes include "offline_access"
}

// New returns a Login. It gets the endpoints from the issuer. ctx is for that request only.
func New(ctx context.Context, config Config) (*Login, error) {
	if config.Issuer == "" || config.ClientID == "" || config.RedirectURL == "" || config.Assertion == nil {
		return nil, errors.New("oidclogin: Issuer, ClientID, RedirectURL and Assertion are required")
	}
	if !strings.HasPrefix(config.Issuer, "https://") {
		return nil, fmt.Errorf("oidclogin: the issuer %q is not an https URL", config.Issuer)
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, newClient(config.Base)), config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("oidclogin: %w", err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // the default tries an Authorization header first
	transport, err := NewTransport(endpoint.TokenURL, config.Assertion, config.Base)
	if err != nil {
		return nil, err
	}
	return &Login{
		oauth: oauth2.Config{
			ClientID:    config.ClientID,
			Endpoint:    endpoint,
			RedirectURL: config.RedirectURL,
			Scopes:      append([]string{oidc.ScopeOpenID}, config.Scopes...),
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: config.ClientID}),
		client:   newClient(transport),
	}, nil
}

// newClient returns a client that does not follow redirects. A 307 or 308 would send the code or
// the refresh token to another host.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
}

// Start is the handler that sends the browser to Entra ID. Only the browser's latest sign-in
// counts.
func (l *Login) Start(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	setCookie(w, strings.Join([]string{state, nonce, verifier}, "."), int(loginTime.Seconds()))
	http.Redirect(w, r, l.oauth.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusFound)
}

// Callback handles the redirect back from Entra ID and returns who signed in. It sets a cookie; the
// caller writes the response. Log its errors; do not show them to the user.
func (l *Login) Callback(w http.ResponseWriter, r *http.Request) (*Session, error) {
	cookie, err := r.Cookie(cookieName)
	setCookie(w, "", -1) // a state is valid for one attempt
	if err != nil {
		return nil, errors.New("oidclogin: this browser did not start a sign-in, or took too long")
	}
	parts := strings.Split(cookie.Value, ".")
	query := r.URL.Query()
	if len(parts) != cookieParts || !equal(parts[0], query.Get("state")) {
		return nil, errors.New("oidclogin: the state is not from this browser's sign-in")
	}
	nonce, verifier := parts[1], parts[2]
	if code := query.Get("error"); code != "" {
		return nil, fmt.Errorf("oidclogin: the sign-in was refused: %q %q", code, query.Get("error_description"))
	}
	token, err := l.oauth.Exchange(l.context(r.Context()), query.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("oidclogin: %w", err)
	}
	id, err := l.verify(r.Context(), token)
	if err != nil {
		return nil, err
	}
	if !equal(nonce, id.Nonce) {
		return nil, errors.New("oidclogin: the ID token is from another sign-in: its nonce differs")
	}
	return &Session{ID: id, Token: token}, nil
}

// Refresh returns the session with a new access token, and with a new refresh token and ID token if
// Entra ID sent them. Store it instead of the old one, of which only ID.Subject and
// Token.RefreshToken matter. Refresh always sends a request, so call it when Token.Valid reports
// false.
//
// If the token endpoint refuses, errors.As finds an [oauth2.RetrieveError]. The ErrorCode
// "invalid_grant" means that the user must sign in again.
func (l *Login) Refresh(ctx context.Context, session *Session) (*Session, error) {
	expired := &oauth2.Token{RefreshToken: session.Token.RefreshToken}
	token, err := l.oauth.TokenSource(l.context(ctx), expired).Token()
	if err != nil {
		return nil, fmt.Errorf("oidclogin: %w", err)
	}
	if token.Extra("id_token") == nil {
		return &Session{ID: session.ID, Token: token}, nil
	}
	id, err := l.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if id.Subject != session.ID.Subject {
		return nil, errors.New("oidclogin: the new ID token is for another user")
	}
	return &Session{ID: id, Token: token}, nil
}

// verify checks the ID token's signature, issuer, audience and expiry. Callers check the rest.
func (l *Login) verify(ctx context.Context, token *oauth2.Token) (*oidc.IDToken, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("oidclogin: the token endpoint sent no ID token")
	}
	id, err := l.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("oidclogin: %w", err)
	}
	return id, nil
}

// context makes x/oauth2 use the client that adds the assertion.
func (l *Login) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, l.client)
}

// setCookie sets the cookie that ties a sign-in to the browser. SameSite is Lax because a browser
// does not send Strict cookies when another site, here Entra ID, redirects back.
func setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, MaxAge: maxAge,
		Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// equal compares in constant time. Two empty strings are not equal, because a missing value must
// not match.
func equal(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Transport is an [http.RoundTripper] that authenticates the client to one token endpoint: it adds
// client_assertion and client_assertion_type to forms posted there. All other requests pass
// unchanged. It is safe for concurrent use.
type Transport struct {
	endpoint  *url.URL
	assertion func(context.Context) (string, error)
	base      http.RoundTripper
}

// NewTransport returns a Transport for a token endpoint, which must be an https URL. The Transport
// calls assertion for each request to it. A nil base means http.DefaultTransport.
func NewTransport(tokenURL string, assertion func(context.Context) (string, error), base http.RoundTripper) (*Transport, error) {
	endpoint, err := url.Parse(tokenURL)
	if err != nil || endpoint.Scheme != "https" || endpoint.Host == "" {
		return nil, fmt.Errorf("oidclogin: the token endpoint %q is not an https URL", tokenURL)
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &Transport{endpoint, assertion, base}, nil
}

// RoundTrip implements [http.RoundTripper]. Its errors and replies do not hold the assertion.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.isTokenRequest(r) {
		return t.base.RoundTrip(r)
	}
	authenticated, assertion, err := t.authenticate(r)
	if err != nil {
		return nil, err
	}
	response, err := t.base.RoundTrip(authenticated)
	if err != nil {
		return nil, err
	}
	response.Request = r // without the assertion, because x/oauth2's errors hold the response
	if err := redact(response, assertion); err != nil {
		return nil, err
	}
	return response, nil
}

func (t *Transport) isTokenRequest(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == formType && r.Method == http.MethodPost && r.Body != nil &&
		r.URL.Scheme == t.endpoint.Scheme &&
		strings.EqualFold(r.URL.Host, t.endpoint.Host) &&
		r.URL.EscapedPath() == t.endpoint.EscapedPath()
}

// authenticate returns a copy of r with the assertion. A RoundTripper must not modify its request.
func (t *Transport) authenticate(r *http.Request) (authenticated *http.Request, assertion string, err error) {
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close() // required of a RoundTripper, also on errors
	if err != nil {
		return nil, "", fmt.Errorf("oidclogin: read the token request: %w", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil { // the error would quote the form
		return nil, "", errors.New("oidclogin: the token request is not a form")
	}
	assertion, err = t.assertion(r.Context())
	if err != nil {
		return nil, "", fmt.Errorf("oidclogin: no federated token: %w", err)
	}
	if assertion == "" {
		return nil, "", errors.New("oidclogin: the federated token is empty")
	}
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	encoded := form.Encode()

	authenticated = r.Clone(r.Context())
	authenticated.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(encoded)), nil }
	authenticated.Body, _ = authenticated.GetBody()
	authenticated.ContentLength, authenticated.TransferEncoding = int64(len(encoded)), nil
	return authenticated, assertion, nil
}

// redact removes the assertion from a reply that echoes it, because x/oauth2's errors quote
// replies.
func redact(response *http.Response, assertion string) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	_ = response.Body.Close()
	if err != nil {
		return fmt.Errorf("oidclogin: read the token endpoint's reply: %w", err)
	}
	if len(body) > maxReply {
		return fmt.Errorf("oidclogin: the token endpoint's reply is larger than %d bytes", maxReply)
	}
	body = bytes.ReplaceAll(body, []byte(assertion), []byte("[redacted]"))
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Del("Content-Length")
	return nil
}
