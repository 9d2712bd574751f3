package emit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

// credentialName is what Entra ID and the Azure CLI take.
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

// The same credential has the same name, so that to make it again changes nothing; what is another credential has another one,
// or it would replace the first.
func TestNameTellsCredentialsApart(t *testing.T) {
	others := map[string]string{}
	for _, wl := range []emit.Workload{
		emittest.Ordinary,
		emittest.InCluster("https://another.example/", "shop", "orders"),
		emittest.InCluster(emittest.AKS, "shop-orders", "a"), emittest.InCluster(emittest.AKS, "shop", "orders-a"),
		emittest.Elsewhere(emittest.AKS, "a"), emittest.Elsewhere(emittest.AKS, "b"),
	} {
		name := nameOf(t, wl)
		assert.Equal(t, name, nameOf(t, emittest.With(wl, func(wl *emit.Workload) { wl.ClientID, wl.TenantID = "", "" })))
		assert.NotContains(t, others, name)
		others[name] = wl.Subject
	}
}
