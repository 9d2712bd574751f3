package emit_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

// The fake Entra ID refuses an exchange, and accepts it once the credential read back from a form
// is registered.
func TestCredentialSignsIn(t *testing.T) {
	all := emittest.Workloads()
	signIns := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		wl := all[name]
		if strings.HasPrefix(name, "path ") {
			continue // like those of service accounts
		}
		assertion := token(t, wl)
		for form, read := range readers {
			if refusal(form, wl) != "" {
				continue
			}
			if signsIn(t, assertion, wl.Issuer, read(t, write(t, form, wl))) {
				signIns++
			} else {
				assert.NotContains(t, emittest.Usual, name)
			}
		}
	}
	assert.Greater(t, signIns, len(emittest.Hostile)/2*len(readers), "the fake accepts only issuers that are https URLs, but most of them are")
}

// signsIn reports whether the fake accepts the credential. If so, it requires that the fake refuses
// the assertion before the credential is registered, and accepts it afterwards.
func signsIn(t *testing.T, assertion, issuer string, c credential) bool {
	t.Helper()
	trusted := entratest.FederatedCredential{
		TenantID: emittest.TenantID, ClientID: emittest.ClientID, Name: c.Name, Issuer: c.Issuer, Subject: c.Subject, Audiences: []string{c.Audience},
	}
	if new(entratest.Server).Trust(trusted) != nil {
		return false
	}
	server := &entratest.Server{HTTPClient: &http.Client{Transport: keysOf(issuer)}}
	require.NoError(t, server.AddApplication(emittest.TenantID, emittest.ClientID))
	client, err := exchange.NewClient(&exchange.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: server}})
	require.NoError(t, err)
	request := exchange.Request{TenantID: emittest.TenantID, ClientID: emittest.ClientID, Scopes: []string{"https://vault.azure.net/.default"}, Assertion: assertion}

	_, err = client.Exchange(t.Context(), request)
	refusal, ok := errors.AsType[*exchange.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, []int{70025}, refusal.EntraCodes, "the application has no credential")

	require.NoError(t, server.Trust(trusted))
	_, err = client.Exchange(t.Context(), request)
	require.NoError(t, err)
	return true
}

// token returns a token that the workload could present.
func token(t *testing.T, wl emit.Workload) string {
	t.Helper()
	now := time.Now()
	unsigned := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": wl.Issuer, "sub": wl.Subject, "aud": wl.Audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	unsigned.Header["kid"] = "k"
	signed, err := unsigned.SignedString(signingKey())
	require.NoError(t, err)
	return signed
}

var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// keysOf is an issuer. It answers every request with its keys or with the document that points to
// them.
type keysOf string

func (issuer keysOf) RoundTrip(r *http.Request) (*http.Response, error) {
	const keys = "https://keys.example/"
	encode := base64.RawURLEncoding.EncodeToString
	var document any = map[string]any{"issuer": string(issuer), "jwks_uri": keys}
	if r.URL.String() == keys {
		public := signingKey().PublicKey
		document = map[string]any{"keys": []map[string]string{
			{"kid": "k", "kty": "RSA", "n": encode(public.N.Bytes()), "e": encode(big.NewInt(int64(public.E)).Bytes())},
		}}
	}
	body, err := json.Marshal(document)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}, err
}
