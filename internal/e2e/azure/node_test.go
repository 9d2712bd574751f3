package azure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// found is what testdata/signin.js prints.
type found struct {
	Token     string
	ExpiresOn int64 // milliseconds
	Error     string
}

// signIn runs Microsoft's library for JavaScript in a process of its own, which trusts the rig's CA as a real one would be told to.
func signIn(t *testing.T, r *rig, library string) found {
	t.Helper()
	modules := installed(t, ".node", "node_modules")
	r.serve(t, "127.0.0.1", &r.entra)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, r.ca.PEM(), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	script := exec.CommandContext(ctx, "node", filepath.Join("testdata", "signin.js"), modules, library)
	script.Env = []string{ // and no more: no proxy, no other settings
		"PATH=" + os.Getenv("PATH"), "NODE_EXTRA_CA_CERTS=" + ca, "AZURE_AUTHORITY_HOST=https://" + r.hosts["127.0.0.1"] + "/",
		"AZURE_CLIENT_ID=" + clientID, "AZURE_TENANT_ID=" + tenantID, "AZURE_FEDERATED_TOKEN_FILE=" + r.file.Path(),
	}
	var stderr bytes.Buffer
	script.Stderr = &stderr
	output, err := script.Output()
	require.NoError(t, err, "%s", &stderr)
	var f found
	require.NoError(t, json.Unmarshal(output, &f))
	return f
}

var nodeLibraries = []string{"identity", "msal"}

func TestNodeSignsIn(t *testing.T) {
	for _, library := range nodeLibraries {
		t.Run(library, func(t *testing.T) {
			r := newRig(t)

			f := signIn(t, r, library)

			require.Empty(t, f.Error)
			claims, err := r.keys(t).verify(f.Token, storageAudience)
			require.NoError(t, err)
			assert.WithinDuration(t, claims.ExpiresAt.Time, time.UnixMilli(f.ExpiresOn), 10*time.Second)
			assert.Len(t, r.exchanges(), 1)
			assert.Len(t, r.requests(entratest.KindOpenIDConfiguration), 1)
			assert.Empty(t, r.requests(entratest.KindOther))
		})
	}
}

func TestNodeUnderstandsARefusal(t *testing.T) {
	for _, library := range nodeLibraries {
		t.Run(library, func(t *testing.T) {
			r := newRig(t)
			r.trustAnother(t)

			f := signIn(t, r, library)

			assert.True(t, f.Token == "")
			for _, want := range []string{"invalid_client", "AADSTS700213", "system:serviceaccount:shop:orders"} {
				assert.Contains(t, f.Error, want)
			}
		})
	}
}
