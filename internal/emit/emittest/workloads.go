// Package emittest has workloads for the tests of package emit, which are in two modules: what people have, and values that mean
// something in one of the languages that it writes.
package emittest

import (
	"maps"
	"strings"

	"github.com/entrafed/entrafed/internal/emit"
)

// The identity of the workloads, AKS' form of an issuer, and the audience that a credential has as a rule.
const (
	ClientID = "11111111-2222-4333-8444-555555555555"
	TenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	AKS      = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"
	Audience = "api://AzureADTokenExchange"
)

// InCluster is a workload with a Kubernetes service account's token.
func InCluster(issuer, namespace, serviceAccount string) emit.Workload {
	return emit.Workload{
		ClientID: ClientID, TenantID: TenantID,
		Issuer: issuer, Subject: "system:serviceaccount:" + namespace + ":" + serviceAccount, Audience: Audience,
		Namespace: namespace, ServiceAccount: serviceAccount,
	}
}

// Elsewhere is a workload with another issuer's token.
func Elsewhere(issuer, subject string) emit.Workload {
	return emit.Workload{ClientID: ClientID, TenantID: TenantID, Issuer: issuer, Subject: subject, Audience: Audience}
}

var (
	// Ordinary is that of testdata.
	Ordinary = InCluster(AKS, "shop", "orders")

	// Usual are what people have.
	Usual = map[string]emit.Workload{
		"AKS":            Ordinary,
		"no slash":       InCluster(strings.TrimSuffix(AKS, "/"), "shop", "orders"),
		"GitHub Actions": Elsewhere("https://token.actions.githubusercontent.com", "repo:o/r:environment:prod"),
		"SPIFFE":         Elsewhere("https://spire.example.org", "spiffe://example.org/ns/shop/sa/orders"),
		"Google":         Elsewhere("https://accounts.google.com", "112633961854638529490"),
		"government":     With(Ordinary, func(wl *emit.Workload) { wl.Audience = "api://AzureADTokenExchangeUSGov" }),
		"unknown client": With(Ordinary, func(wl *emit.Workload) { wl.ClientID, wl.TenantID = "", "" }),
		"longest":        Elsewhere("https://issuer.example/"+strings.Repeat("i", 577), strings.Repeat("s", 600)),
	}

	// Hostile are values that mean something in one of the languages, each of which would leave a file if it ran.
	Hostile = []string{
		`'; touch pwned #`, `"; touch pwned #`, `$(touch pwned)`, "`touch pwned`", `\$(touch pwned)`, `'"$(touch pwned)"'`, `'\''; touch pwned; '`,
		`& touch pwned`, `| touch pwned`, `> pwned`, `!!`, `~`, `*`, `a\`, `a\\`, `\n`, `\u0041`, `\x41`, `\'`, `'`, `''`, `'''`, `"`, `""`, `$`, `$$`,
		`$'\x41'`, `$"x"`, `%`, `%%`, `%s%n%[9]d`, `# a`, `</script>`, `<!--`,
		`${var.x}`, `$${var.x}`, `$$${var.x}`, `\${var.x}`, `${`, `%{ if true }x%{ endif }`, `%%{ if }`, `%%%{ if }`, `%{`, `{{ .Values }}`, `//`, `/* a */`,
		`: #`, `a: b`, `a #b`, `- a`, `-`, `--query`, `-rf`, `? a`, `! a`, `&a`, `*a`, `|`, `>`, `[a]`, `{a: b}`, `null`, `yes`, `0x10`, `1e3`, `---`, `...`, `,`,
		`@/etc/hostname`, `@-`, `a=@/etc/hostname`, `??`, `None`, `[a,b]`, `{"a":1}`, `["a"]`, `a=b`, `'a'`, `'a'=b`, `a.b[0]=c`, `[0]=c`, `[concat('a')]`, `[[a]`,
		`größe`, `名前`, "🔑", "e\u0301", "a\u00a0b", "a\u2028b: c", "a\u2029b", "a\u202eb", "\ufeffa", "a\ufffeb", "a\ufffdb", " a", "a ", "  ", "a  b",
	}
)

// With returns a workload with a change.
func With(wl emit.Workload, change func(*emit.Workload)) emit.Workload {
	change(&wl)
	return wl
}

// Workloads are the usual ones, and those with a hostile value in each of their fields.
func Workloads() map[string]emit.Workload {
	all := maps.Clone(Usual)
	for _, value := range Hostile {
		all["all "+value] = With(Elsewhere(value, value), func(wl *emit.Workload) { wl.Audience = value })
		all["path "+value] = Elsewhere("https://issuer.example/"+value, "repo:"+value)
		all["account "+value] = InCluster(AKS+value, value, value)
	}
	return all
}
