package emit_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	audience = "api://AzureADTokenExchange"
)

func write(t testing.TB, form string, wl emit.Workload) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, emit.Write(&text, form, wl))
	return text.String()
}

func inCluster(issuer, namespace, serviceAccount string) emit.Workload {
	return emit.Workload{
		ClientID: clientID, TenantID: tenantID,
		Issuer: issuer, Subject: "system:serviceaccount:" + namespace + ":" + serviceAccount, Audience: audience,
		Namespace: namespace, ServiceAccount: serviceAccount,
	}
}

var ordinary = inCluster("https://issuer.example/cluster/", "shop", "orders")

// workloads are ordinary ones, and those whose values are made of what has a meaning in some language.
func workloads() []emit.Workload {
	all := []emit.Workload{
		ordinary,
		{Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:o/r:environment:prod", Audience: audience},
		{Issuer: "https://spire.example.org", Subject: "spiffe://example.org/ns/shop/sa/orders", Audience: audience},
	}
	for _, value := range values() {
		all = append(all, inCluster("https://issuer.example/"+value, value, value))
		all = append(all, emit.Workload{Issuer: value, Subject: value, Audience: value, Namespace: value, ServiceAccount: value})
	}
	return all
}

var pieces = []string{
	`'`, `'`, `"`, `"`, `\`, `\`, "`", `$`, `$`, `%`, `{`, `}`, `${`, `%{`, `$(`, `)`, `(`, `[`, `]`, `<`, `>`, `|`, `&`, `;`, `#`, ` #`, `: `, `- `, `?`, `!`,
	`*`, `~`, `@`, `=`, `,`, `.`, ` `, `  `, `-`, `--`, `---`, `//`, `/*`, `*/`, `n`, `t`, `u`, `x41`, `u{41}`, `u0041`, `U00000041`, `0`, `null`, `true`, `if`,
	`for`, `a`, `_`, `ü`, `名`, `🔑`, "\u00a0", "\u2028", "\ufeff", "\ufffe", "\u0301",
}

// values holds each piece, and many draws of a few, the same in every run.
func values() []string {
	all := append([]string{`'; touch pwned #`, `${var.x}`, `%{ if true }x%{ endif }`, `</script>`, `'''`}, pieces...)
	dice := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		var value strings.Builder
		for range 2 + dice.IntN(6) {
			value.WriteString(pieces[dice.IntN(len(pieces))])
		}
		all = append(all, value.String())
	}
	return all
}
