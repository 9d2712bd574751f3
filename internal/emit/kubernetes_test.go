package emit_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

// In the manifest and in the patch, each value is one quoted scalar on its line.
// internal/test/e2e/emit checks the whole with a YAML parser.
func TestKubernetes(t *testing.T) {
	for name, wl := range emittest.Workloads() {
		if wl.ServiceAccount == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			text := write(t, "kubernetes", wl)
			read := func(pattern string) string {
				value, err := strconv.Unquote(theOne(t, text, pattern))
				require.NoError(t, err)
				return value
			}
			assert.Equal(t, wl.ServiceAccount, read(`  name: (".*")`))
			assert.Equal(t, wl.Namespace, read(`  namespace: (".*")`))
			assert.Equal(t, wl.ServiceAccount, read(`#       serviceAccountName: (".*")`))
			theOne(t, text, `(## kubectl apply --server-side --field-manager workload-identity --filename FILE)`)
			if wl.ClientID == "" {
				assert.Contains(t, text, `azure.workload.identity/client-id: "REPLACE-WITH-CLIENT-ID"`)
				assert.NotContains(t, text, "tenant-id")
				return
			}
			assert.Equal(t, wl.ClientID, read(`    azure.workload.identity/client-id: (".*")`))
			assert.Equal(t, wl.TenantID, read(`    azure.workload.identity/tenant-id: (".*")`))
		})
	}
}

// A reader who does not know the client ID sees where it belongs.
func TestPlaceholder(t *testing.T) {
	for _, form := range emit.Forms() {
		if form == "graph" {
			continue // the ID is in the URL
		}
		assert.Equal(t, 1, strings.Count(write(t, form, emittest.Usual["unknown client"]), "REPLACE-WITH-CLIENT-ID"), form)
	}
}
