package exchange_test

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

const (
	tenantID = "33333333-4444-4555-8666-777777777777"
	clientID = "11111111-2222-4333-8444-555555555555"
	scope    = "https://vault.azure.net/.default"

	// accessToken is a well-formed JWT that shares nothing with the assertion.
	accessToken = "eyJ0eXAiOiJKV1QiLCJub25jZSI6Im0xIn0.eyJhdWQiOiJodHRwczovL3ZhdWx0LmF6dXJlLm5ldCIsIm9pZCI6Im8ifQ.YWNjZXNzLXRva2VuLXNpZ25hdHVyZQ"
)

// signature is the assertion's signature: as long as an RSA key's, and the same in every run.
var signature = func() string {
	var raw []byte
	for _, c := range "abcd" {
		sum := sha512.Sum512([]byte(string(c)))
		raw = append(raw, sum[:]...)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}()

// assertion never expires, so it is valid in every synctest bubble.
var assertion = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." +
	base64.RawURLEncoding.EncodeToString([]byte(
		`{"aud":["api://AzureADTokenExchange"],"iss":"https://issuer.example/","sub":"system:serviceaccount:shop:checkout"}`)) + "." +
	signature

// doFunc is a transport without a network.
type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// policyFunc is a user's policy.
type policyFunc func(*policy.Request) (*http.Response, error)

func (f policyFunc) Do(r *policy.Request) (*http.Response, error) { return f(r) }

func request() exchange.Request {
	return exchange.Request{TenantID: tenantID, ClientID: clientID, Scopes: []string{scope}, Assertion: assertion}
}

func reply(status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status,
		Status:     http.StatusText(status),
		Header:     http.Header{"Content-Type": {contentType}},
		Body:       io.NopCloser(strings.NewReader(body)),
	}
}

// always returns a transport that gives every request the same answer.
func always(status int, contentType, body string) doFunc {
	return func(*http.Request) (*http.Response, error) { return reply(status, contentType, body), nil }
}

// once returns options for a single try.
func once(transport policy.Transporter) *exchange.ClientOptions {
	o := &exchange.ClientOptions{}
	o.Transport = transport
	o.Retry.MaxRetries = -1
	return o
}

func newClient(t testing.TB, o *exchange.ClientOptions) *exchange.Client {
	t.Helper()
	c, err := exchange.NewClient(o)
	require.NoError(t, err)
	return c
}

// do makes one exchange with one try.
func do(t testing.TB, transport policy.Transporter) (azcore.AccessToken, error) {
	t.Helper()
	return newClient(t, once(transport)).Exchange(t.Context(), request())
}

// refused makes one exchange that must end in an Error.
func refused(t testing.TB, transport policy.Transporter) *exchange.Error {
	t.Helper()
	token, err := do(t, transport)
	var e *exchange.Error
	require.ErrorAs(t, err, &e)
	require.Zero(t, token)
	return e
}

// serve starts a TLS server and returns options that send requests to it.
func serve(t testing.TB, http2 bool, h http.HandlerFunc) (*httptest.Server, *exchange.ClientOptions) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients misbehave in these tests
	s.StartTLS()
	t.Cleanup(s.Close)
	o := once(s.Client())
	o.Authority = s.URL
	return s, o
}

func exchangeAt(t testing.TB, o *exchange.ClientOptions) (azcore.AccessToken, error) {
	t.Helper()
	return newClient(t, o).Exchange(context.WithoutCancel(t.Context()), request())
}

// hijack takes over an HTTP/1.1 connection, writes raw and closes the connection.
func hijack(t testing.TB, w http.ResponseWriter, raw string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(conn, raw)
	_ = conn.Close()
}

func body(t testing.TB, r *http.Request) string {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

const success = `{"token_type":"Bearer","expires_in":3599,"access_token":"` + accessToken + `"}`
