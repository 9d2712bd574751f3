package entratest_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	tokenURL = "https://login.microsoftonline.com/contoso/oauth2/v2.0/token"
	clientID = "11111111-2222-3333-4444-555555555555"

	// contosoID is the fake's GUID for the tenant contoso, the same in every run.
	contosoID = "11317efc-07e4-8a3b-87a7-cba61a1c2488"
)

// validForm returns the form of a client with a federated credential.
func validForm(t testing.TB) url.Values {
	t.Helper()
	assertion, err := new(entratest.Cluster).Token(entratest.TokenRequest{})
	require.NoError(t, err)
	return url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {clientID},
		"scope":                 {"https://vault.azure.net/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}
}

func with(form url.Values, name, value string) url.Values {
	form.Set(name, value)
	return form
}

func post(t testing.TB, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tokenURL, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func get(t testing.TB, target string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	require.NoError(t, err)
	return r
}

// do sends r and returns the reply and its body.
func do(t testing.TB, s *entratest.Server, r *http.Request) (*http.Response, string) {
	t.Helper()
	reply, err := s.Do(r)
	require.NoError(t, err)
	return reply, read(t, reply)
}

func read(t testing.TB, reply *http.Response) string {
	t.Helper()
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	return string(body)
}

type tokenReply struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	ExtExpiresIn int64  `json:"ext_expires_in"`
	RefreshIn    *int64 `json:"refresh_in"`
	AccessToken  string `json:"access_token"`
}

type errorReply struct {
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	ErrorCodes       []int  `json:"error_codes"`
	Timestamp        string `json:"timestamp"`
	TraceID          string `json:"trace_id"`
	CorrelationID    string `json:"correlation_id"`
	ErrorURI         string `json:"error_uri"`
}

func decode[T any](t testing.TB, text string) (value T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &value), text)
	return value
}

func jwtOf(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}
