package credential_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// ordersCredential is the federated credential of newHintRig's pod, but for the issuer.
func ordersCredential() entratest.FederatedCredential {
	return entratest.FederatedCredential{TenantID: tenantID, ClientID: clientID, Subject: "system:serviceaccount:shop:orders"}
}

// newHintRig returns a rig whose Entra ID judges for itself, and takes its pod's token. Nothing is retried.
func newHintRig(t *testing.T) *rig {
	r := newRig(t)
	require.NoError(t, r.entra.TrustCluster(&r.cluster, ordersCredential()))
	r.options.PropagationTimeout, r.options.Retry.MaxRetries = -1, -1
	return r
}

// reregister gives the application another federated credential instead of the right one.
func (r *rig) reregister(t *testing.T, f entratest.FederatedCredential) {
	t.Helper()
	right := ordersCredential()
	right.Issuer = entratest.DefaultIssuer
	require.NoError(t, r.entra.Revoke(right))
	if f.Issuer == "" {
		f.Issuer = entratest.DefaultIssuer
	}
	require.NoError(t, r.entra.Trust(f))
}

// mount gives the pod another token of the cluster.
func (r *rig) mount(t *testing.T, bend func(*entratest.TokenRequest)) {
	t.Helper()
	request := entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"}
	bend(&request)
	token, err := r.cluster.Token(request)
	require.NoError(t, err)
	r.present(token)
}

// present makes the credential hand over the token as it is.
func (r *rig) present(token string) {
	r.options.TokenFilePath = ""
	r.options.Assertion = func(context.Context) (string, error) { return token, nil }
}

// issue presents a token that the cluster would not make: the right one, but for some claims. Its key is not the issuer's.
func (r *rig) issue(t *testing.T, bend func(jwt.MapClaims)) {
	t.Helper()
	r.present(sign(t, jwt.SigningMethodRS256, bend))
}

func sign(t *testing.T, method jwt.SigningMethod, bend func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": entratest.DefaultIssuer, "sub": "system:serviceaccount:shop:orders", "aud": "api://AzureADTokenExchange",
		"iat": time.Now().Unix(), "nbf": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	bend(claims)
	var key any
	var err error
	if method == jwt.SigningMethodES256 {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	require.NoError(t, err)
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	require.NoError(t, err)
	return token
}

// issuerThatServes makes the cluster's issuer one that answers every request for its documents with the text.
func (r *rig) issuerThatServes(t *testing.T, text string) {
	t.Helper()
	const issuer = "https://example.com" // the server's client finds it there
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
	t.Cleanup(s.Close)
	r.entra.HTTPClient = s.Client()
	f := ordersCredential()
	f.Issuer = issuer
	r.reregister(t, f)
	r.issue(t, func(c jwt.MapClaims) { c["iss"] = issuer })
}

// failure returns what a user of the options sees: the error of New, or of GetToken.
func failure(t *testing.T, o *credential.Options, scopes ...string) error {
	t.Helper()
	c, err := credential.New(o)
	if err == nil {
		_, err = c.GetToken(t.Context(), scope(scopes...))
	}
	return err
}

// ours returns the part of an error that Entra ID did not write.
func ours(err error) string {
	before, after, _ := strings.Cut(err.Error(), "; likely cause: ")
	if after == "" {
		return before
	}
	return after
}

// elsewhere is an Entra ID outside of the bubble, so with a clock of its own: the real one.
type elsewhere struct {
	requests chan *http.Request
	replies  chan *http.Response
}

func newElsewhere(t *testing.T, entra *entratest.Server) elsewhere {
	e := elsewhere{make(chan *http.Request), make(chan *http.Response)}
	go func() {
		for q := range e.requests {
			resp, err := entra.Do(q.WithContext(context.Background()))
			if err != nil {
				t.Error(err)
			}
			e.replies <- resp
		}
	}()
	t.Cleanup(func() { close(e.requests) })
	return e
}

func (e elsewhere) Do(q *http.Request) (*http.Response, error) {
	e.requests <- q
	resp := <-e.replies
	resp.Request = q
	return resp, nil
}
