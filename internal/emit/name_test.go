package emit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

// credentialName matches the names that Entra ID and the Azure CLI accept.
const credentialName = `^[a-zA-Z0-9][a-zA-Z0-9_-]{2,119}$`

func nameOf(t *testing.T, wl emit.Workload) string {
	t.Helper()
	return readers["graph"](t, write(t, "graph", wl)).Name
}

func TestNameIsReadable(t *testing.T) {
	assert.Regexp(t, "^shop-orders-[0-9a-f]{8}$", nameOf(t, emittest.Ordinary))
	assert.Regexp(t, "^shop-orders-v2-[0-9a-f]{8}$", nameOf(t, emittest.InCluster(emittest.AKS, "shop", "orders.v2")))
	assert.Regexp(t, "^workload-[0-9a-f]{8}$", nameOf(t, emittest.Usual["GitHub Actions"]))
	assert.Regexp(t, credentialName, nameOf(t, emittest.InCluster(emittest.AKS, strings.Repeat("n", 63), strings.Repeat("a", 253))))
}

// The same credential has the same name, so that creating it again changes nothing. Another
// credential has another name, so that it does not replace the first.
func TestNameIdentifiesTheCredential(t *testing.T) {
	others := map[string]string{}
	for _, wl := range []emit.Workload{
		emittest.Ordinary,
		emittest.InCluster("https://another.example/", "shop", "orders"),
		emittest.InCluster(emittest.AKS, "shop-orders", "a"), emittest.InCluster(emittest.AKS, "shop", "orders-a"),
		emittest.Elsewhere(emittest.AKS, "a"), emittest.Elsewhere(emittest.AKS, "b"), emittest.Usual["government"],
	} {
		name := nameOf(t, wl)
		assert.Equal(t, name, nameOf(t, emittest.With(wl, func(wl *emit.Workload) { wl.ClientID, wl.TenantID = "", "" })))
		assert.NotContains(t, others, name)
		others[name] = wl.Subject + wl.Audience
	}
}
