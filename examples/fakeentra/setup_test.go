package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/internal/test/setups"
)

func TestListNamesEverySetup(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, &out, settings{setup: "list"}))
	assert.Equal(t, len(setups.Setups()), strings.Count(out.String(), "\n"))
	for _, setup := range setups.Setups() {
		assert.Regexp(t, "(?m)^"+setup.Name+" +"+regexp.QuoteMeta(setup.About)+"$", out.String())
	}
}

// A program that uses only the printed environment and resolves all other hosts to the fake meets
// the same fault over TLS as one that runs in the setup's own process.
func TestEachSetupWorksOverTLS(t *testing.T) {
	for _, setup := range setups.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour, setup: setup.Name})
			assert.Contains(t, p.comments, setup.Name+": "+setup.About)

			token, err := p.getToken(t)

			if setup.Link != setups.Resource {
				require.Error(t, err)
				// The client checks a token file before it sends the token.
				if setup.Code != 0 && !strings.HasPrefix(setup.Name, "assertion-") {
					assert.ErrorContains(t, err, fmt.Sprintf("AADSTS%d", setup.Code))
				}
				return
			}
			require.NoError(t, err)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.comment(t, "Resource to GET with the token: "), nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+token)
			reply, err := p.client(t).Do(r)
			if err != nil { // the setup without a vault
				assert.Contains(t, p.logs.String(), "dropped")
				return
			}
			require.NoError(t, reply.Body.Close())
			assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, reply.StatusCode)
		})
	}
}

// getToken signs in as a program in the pod does, with all settings from the environment.
func (p *running) getToken(t *testing.T) (string, error) {
	t.Helper()
	for _, name := range setups.EnvNames() {
		t.Setenv(name, "")
		if value, set := p.environment[name]; set {
			t.Setenv(name, value)
		} else {
			assert.Contains(t, p.unset, name)
			require.NoError(t, os.Unsetenv(name))
		}
	}
	options := &credential.Options{PropagationTimeout: -1, EnableAzureProxy: !strings.Contains(p.comments, "-setup binding-not-enabled")}
	options.Transport, options.Retry.MaxRetries = p.client(t), -1
	cred, err := credential.New(options)
	if err != nil {
		return "", err
	}
	var token azcore.AccessToken
	token, err = cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{p.comment(t, "Scope to request: ")}})
	return token.Token, err
}

func (p *running) comment(t *testing.T, prefix string) string {
	t.Helper()
	found := regexp.MustCompile("(?m)^" + prefix + "(.*)$").FindStringSubmatch(p.comments)
	require.NotNil(t, found, p.comments)
	return found[1]
}

// TestSetupsShowInTheEnvironment checks what each setup changes in the environment, and that
// nothing else of the surrounding environment is left.
func TestSetupsShowInTheEnvironment(t *testing.T) {
	for setup, check := range map[string]func(t *testing.T, p *running){
		"not-injected": func(t *testing.T, p *running) {
			assert.Len(t, p.environment, 1, "SSL_CERT_FILE")
			assert.Equal(t, setups.EnvNames(), p.unset)
		},
		"region-set": func(t *testing.T, p *running) {
			assert.Equal(t, "westeurope", p.environment["AZURE_REGIONAL_AUTHORITY_NAME"])
			assert.Equal(t, "https://login.microsoftonline.com/", p.environment["AZURE_AUTHORITY_HOST"], "an IP address has no regional hosts")
		},
		"token-file-stale": func(t *testing.T, p *running) {
			assert.FileExists(t, p.environment["AZURE_FEDERATED_TOKEN_FILE"])
			assert.Regexp(t, `^https://127\.0\.0\.1:\d+/$`, p.environment["AZURE_AUTHORITY_HOST"], "this part is not broken")
			assert.NotContains(t, p.comments, "names another host")
		},
		"authority-of-another-cloud": func(t *testing.T, p *running) {
			assert.Equal(t, "https://login.microsoftonline.us", p.environment["AZURE_AUTHORITY_HOST"])
			assert.Contains(t, p.comments, "AZURE_AUTHORITY_HOST names another host")
		},
		"binding-not-enabled": func(t *testing.T, p *running) {
			assert.Contains(t, p.environment["AZURE_KUBERNETES_TOKEN_PROXY"], "https://")
			assert.Contains(t, p.comments, "AZURE_KUBERNETES_TOKEN_PROXY names another host")
		},
		"assertion-garbage": func(t *testing.T, p *running) { // the file replaces a Go program's Options.Assertion
			text, err := os.ReadFile(p.environment["AZURE_FEDERATED_TOKEN_FILE"])
			require.NoError(t, err)
			assert.Equal(t, "hunter2hunter2", string(text))
		},
		"assertion-failing": func(t *testing.T, p *running) {
			assert.NoFileExists(t, p.environment["AZURE_FEDERATED_TOKEN_FILE"])
		},
	} {
		t.Run(setup, func(t *testing.T) {
			check(t, start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour, setup: setup}))
		})
	}
}

// TestThrottle checks that the throttle looks like Entra ID's, including Retry-After.
func TestThrottle(t *testing.T) {
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour, setup: "entra-throttled"})
	reply, err := p.client(t).PostForm(p.environment["AZURE_AUTHORITY_HOST"]+p.environment["AZURE_TENANT_ID"]+"/oauth2/v2.0/token", nil)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	assert.Equal(t, http.StatusTooManyRequests, reply.StatusCode)
	assert.Equal(t, "30", reply.Header.Get("Retry-After"))
}
