package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// At sign-in, the Azure CLI lists tenants and subscriptions. The commands that the doctor emits
// also list managed identities.
func TestResourceManagerHasOneEmptySubscription(t *testing.T) {
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour})
	for path, want := range map[string]string{
		"/tenants?api-version=2019-11-01": `{"value":[]}`,
		"/subscriptions?api-version=2019-11-01": `{"value":[{"id":"/subscriptions/` + subscription + `","subscriptionId":"` + subscription +
			`","tenantId":"` + p.environment["AZURE_TENANT_ID"] + `","displayName":"fakeentra","state":"Enabled"}]}`,
		"/subscriptions/" + subscription + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31": `{"value":[]}`,
	} {
		status, body, header := p.get(t, "https://management.azure.com"+path)
		assert.Equal(t, http.StatusOK, status)
		assert.JSONEq(t, want, body)
		assert.Contains(t, header.Get("Content-Type"), "application/json")
	}
}

// In every setup, Microsoft Graph has the directory that Entra ID validates against.
func TestGraphIsServed(t *testing.T) {
	for _, setup := range []string{"", "no-federated-credential"} {
		p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour, setup: setup})
		status, body, _ := p.get(t, "https://graph.microsoft.com/v1.0/applications")
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Contains(t, body, "InvalidAuthenticationToken")
	}
}

// TestUnknownPathListsKnownPaths checks that the reply to an unknown path is an accurate
// list.
func TestUnknownPathListsKnownPaths(t *testing.T) {
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour})
	base := strings.TrimSuffix(p.environment["AZURE_AUTHORITY_HOST"], "/")
	for _, unknown := range []string{"/", "/common/oauth2/v2.0/authorize", "/cluster/pods", "/subscriptions/s/resourceGroups"} {
		status, body, header := p.get(t, base+unknown)
		assert.Equal(t, http.StatusNotFound, status, unknown)
		assert.Contains(t, header.Get("Content-Type"), "text/plain")
		lines := regexp.MustCompile(`(?m)^(GET |POST) (\S+)$`).FindAllStringSubmatch(body, -1)
		require.Len(t, lines, 12, body)
		for _, line := range lines {
			url := strings.NewReplacer("{tenant}", p.environment["AZURE_TENANT_ID"], "{url}", base+"/common/oauth2/v2.0/authorize").Replace(line[2])
			if strings.HasPrefix(url, "/") {
				url = base + url
			}
			r, err := http.NewRequestWithContext(t.Context(), strings.TrimSpace(line[1]), url, nil)
			require.NoError(t, err)
			reply, err := p.client(t).Do(r)
			require.NoError(t, err)
			require.NoError(t, reply.Body.Close())
			want := http.StatusOK
			if r.Method == http.MethodPost {
				want = http.StatusBadRequest // the request has no fields
			}
			assert.Equal(t, want, reply.StatusCode, url)
			assert.Empty(t, reply.Header.Get("Strict-Transport-Security"), "a browser would apply it to localhost")
		}
	}
}
