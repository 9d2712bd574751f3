package entratest_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	issuerURL = "https://issuer.example/cluster/"
	discovery = issuerURL + ".well-known/openid-configuration"
	jwksURL   = "https://keys.example/jwks"
	subject   = "system:serviceaccount:shop:checkout"
	audience  = "api://AzureADTokenExchange"
)

var issuerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// documents is an issuer other than a Cluster: the documents it serves, by URL. The document "down"
// stands for a 503. Any other URL cannot be reached.
type documents map[string]string

func (d documents) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := d[r.URL.String()]
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	status := http.StatusOK
	if body == "down" {
		status = http.StatusServiceUnavailable
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func goodDocuments() documents {
	return documents{
		discovery: `{"issuer":"` + issuerURL + `","jwks_uri":"` + jwksURL + `"}`,
		jwksURL:   `{"keys":[` + publicKey("k1", "RSA", "sig", "RS256") + `]}`,
	}
}

// anotherK1 is another key with the kid of the issuer's key.
const anotherK1 = `{"kid":"k1","kty":"RSA","use":"sig","n":"2Q","e":"AQAB"}`

func publicKey(kid, kty, use, alg string) string {
	key := issuerKey()
	encode := base64.RawURLEncoding.EncodeToString
	return `{"kid":"` + kid + `","kty":"` + kty + `","use":"` + use + `","alg":"` + alg + `","n":"` + encode(key.N.Bytes()) +
		`","e":"` + encode(big.NewInt(int64(key.E)).Bytes()) + `"}`
}

// attempt is a token request and the issuer of its assertion. Each test breaks one part of a good
// attempt.
type attempt struct {
	host, tenant, client string
	scope, claimsParam   string
	method               jwt.SigningMethod
	key                  any
	header               map[string]any
	claims               jwt.MapClaims
	tamper               func(raw string) string
	issuer               documents
}

// goodAttempt returns an attempt whose assertion is valid for an hour from now.
func goodAttempt(now int64) *attempt {
	return &attempt{
		host: "login.microsoftonline.com", tenant: "contoso", client: clientID, scope: "https://vault.azure.net/.default",
		method: jwt.SigningMethodRS256, key: issuerKey(), header: map[string]any{"kid": "k1"},
		claims: jwt.MapClaims{"iss": issuerURL, "sub": subject, "aud": []string{audience}, "iat": now, "nbf": now, "exp": now + 3600},
		tamper: func(raw string) string { return raw },
		issuer: goodDocuments(),
	}
}

func (a *attempt) assertion(t testing.TB) string {
	t.Helper()
	token := jwt.NewWithClaims(a.method, a.claims)
	maps.Copy(token.Header, a.header)
	raw, err := token.SignedString(a.key)
	require.NoError(t, err)
	return a.tamper(raw)
}

func (a *attempt) form(t testing.TB) url.Values {
	t.Helper()
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {a.client},
		"scope":                 {a.scope},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {a.assertion(t)},
	}
	if a.claimsParam != "" {
		form.Set("claims", a.claimsParam)
	}
	return form
}

// send sends the request. code is the AADSTS code, or 0 for a token.
func (a *attempt) send(t testing.TB, s *entratest.Server) (reply *http.Response, code int, body string) {
	t.Helper()
	if a.issuer != nil {
		s.HTTPClient = &http.Client{Transport: a.issuer}
	}
	return sendForm(t, s, "https://"+a.host+"/"+a.tenant+"/oauth2/v2.0/token", a.form(t))
}

func sendForm(t testing.TB, s *entratest.Server, target string, form url.Values) (reply *http.Response, code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, target, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, body = do(t, s, r)
	if reply.StatusCode != http.StatusOK {
		code = decode[errorReply](t, body).ErrorCodes[0]
	}
	return reply, code, body
}

// federated returns the federated credential that matches a good attempt.
func federated() entratest.FederatedCredential {
	return entratest.FederatedCredential{TenantID: "contoso", ClientID: clientID, Issuer: issuerURL, Subject: subject}
}

// trusting returns a server with that credential, and a second application without any.
func trusting(t testing.TB) *entratest.Server {
	t.Helper()
	s := new(entratest.Server)
	require.NoError(t, s.Trust(federated()))
	require.NoError(t, s.AddApplication("contoso", bareClientID))
	return s
}

const bareClientID = "99999999-2222-3333-4444-555555555555"

// inCluster returns a valid form with a token of the cluster, for the service account
// shop/checkout.
func inCluster(t testing.TB, c *entratest.Cluster) url.Values {
	t.Helper()
	raw, err := c.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	require.NoError(t, err)
	return with(validForm(t), "client_assertion", raw)
}

// codeOf sends a form to the tenant contoso and returns the AADSTS code, or 0 for a token.
func codeOf(t testing.TB, s *entratest.Server, form url.Values) int {
	t.Helper()
	_, code, _ := sendForm(t, s, tokenURL, form)
	return code
}

// clusterCredential is federated without an issuer, for TrustCluster.
func clusterCredential() entratest.FederatedCredential {
	c := federated()
	c.Issuer = ""
	return c
}
