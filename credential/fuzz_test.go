package credential_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// FuzzEnvironment checks that for any environment New returns a credential, or an error on one line
// that names a variable and shows no password of a URL.
func FuzzEnvironment(f *testing.F) {
	f.Add(clientID, tenantID, "/var/run/secrets/azure/wi/token/azure-identity-token", "https://login.microsoftonline.com/", "", "", "")
	f.Add("", "", "", "", "", "", "")
	f.Add(" ", "a b", "\n", "http://x", "TryAutoDetect", "https://u:hushhush@proxy/%zz", "not PEM")
	f.Add("/subscriptions/x", "..", "/dev/null", "https://u:hushhush@h", "West Europe", "https://proxy?x", "")
	f.Fuzz(func(t *testing.T, client, tenant, file, authority, region, proxy, ca string) {
		for name, value := range map[string]string{
			"AZURE_CLIENT_ID": client, "AZURE_TENANT_ID": tenant, "AZURE_FEDERATED_TOKEN_FILE": file, "AZURE_AUTHORITY_HOST": authority,
			"AZURE_REGIONAL_AUTHORITY_NAME": region, "AZURE_KUBERNETES_TOKEN_PROXY": proxy, "AZURE_KUBERNETES_CA_DATA": ca,
			"AZURE_KUBERNETES_SNI_NAME": "", "AZURE_KUBERNETES_CA_FILE": "",
		} {
			if strings.ContainsRune(value, 0) {
				return // no environment can hold this value
			}
			t.Setenv(name, value)
		}
		c, err := credential.New(&credential.Options{EnableAzureProxy: true})
		if err == nil {
			require.NotNil(t, c)
			return
		}
		require.Nil(t, c)
		require.NotContains(t, err.Error(), "\n")
		require.Contains(t, err.Error(), "AZURE_")
		for _, raw := range []string{authority, proxy} {
			if u, parseErr := url.Parse(strings.TrimSpace(raw)); parseErr == nil {
				if password, ok := u.User.Password(); ok && len(password) >= 8 && strings.Count(authority+region+proxy, password) == 1 {
					require.NotContains(t, err.Error(), password)
				}
			}
		}
	})
}

// FuzzChallenge checks that, whatever challenge a resource sends with its 401, an SDK client with
// InvalidateOn401 sends at most one more request, and its error holds neither the assertion nor an
// access token.
func FuzzChallenge(f *testing.F) {
	for _, challenge := range []string{
		"", "Bearer", `Bearer error="invalid_token"`, `Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="`,
		`Bearer error="insufficient_claims", claims="e30="`, `Bearer error="insufficient_claims", claims="bm90IGpzb24="`,
		`Bearer error="insufficient_claims", claims="%%%"`, `PoP x="y", Bearer error="insufficient_claims",claims="bnVsbA=="`,
	} {
		f.Add(challenge)
	}
	var entra entratest.Server
	assertion, err := new(entratest.Cluster).Token(entratest.TokenRequest{})
	require.NoError(f, err)
	options := credential.Options{ClientID: clientID, TenantID: tenantID, Assertion: func(context.Context) (string, error) { return assertion, nil }}
	options.Transport = &entra
	f.Fuzz(func(t *testing.T, challenge string) {
		defer entra.ForgetRequests()
		c, err := credential.New(&options)
		require.NoError(t, err)
		sent := 0
		resource := transportFunc(func(r *http.Request) (*http.Response, error) {
			sent++
			return answering(http.StatusUnauthorized, challenge)(r)
		})
		_, err = newSDKClient(c, "https://vault.example", resource, c.InvalidateOn401()).send(t.Context())
		require.LessOrEqual(t, sent, 2)
		require.LessOrEqual(t, len(entra.Requests()), 2)
		if err != nil {
			require.NotContains(t, err.Error(), assertion[len(assertion)-20:])
			require.NotContains(t, err.Error(), "eyJhbGciOiJSUzI1NiI")
		}
	})
}
