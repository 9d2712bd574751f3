// Package emittest provides workloads for the tests of package emit, which are in two modules. Some
// are usual; others have values that are special in one of the languages that emit writes.
package emittest

import (
	"maps"
	"strings"

	"github.com/entrafed/entrafed/internal/emit"
)

// The workloads' identity, an issuer like those of AKS, and the usual audience.
const (
	ClientID = "11111111-2222-4333-8444-555555555555"
	TenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	AKS      = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"
	Audience = "api://AzureADTokenExchange"
)

// InCluster returns a workload with the token of a Kubernetes service account.
func InCluster(issuer, namespace, serviceAccount string) emit.Workload {
	return emit.Workload{
		ClientID: ClientID, TenantID: TenantID,
		Issuer: issuer, Subject: "system:serviceaccount:" + namespace + ":" + serviceAccount, Audience: Audience,
		Namespace: namespace, ServiceAccount: serviceAccount,
	}
}

// Elsewhere returns a workload with the token of another issuer.
func Elsewhere(issuer, subject string) emit.Workload {
	return emit.Workload{ClientID: ClientID, TenantID: TenantID, Issuer: issuer, Subject: subject, Audience: Audience}
}

var (
	// Ordinary is the workload in testdata.
	Ordinary = InCluster(AKS, "shop", "orders")

	// Usual holds workloads as people have them.
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

	// Hostile holds values that are special in one of the languages. A value that runs as a command
	// leaves a file behind.
	Hostile = []string{
		`'; touch pwned #`, `"; touch pwned #`, `$(touch pwned)`, "`touch pwned`", `\$(touch pwned)`, `'"$(touch pwned)"'`, `'\''; touch pwned; '`,
		`& touch pwned`, `| touch pwned`, `> pwned`, `!!`, `~`, `*`, `a\`, `a\\`, `\n`, `\u0041`, `\x41`, `\'`, `'`, `''`, `'''`, `"`, `""`, `$`, `$$`,
		`$'\x41'`, `$"x"`, `%`, `%%`, `%s%n%[9]d`, `# a`, `</script>`, `<!--`,
		`${var.x}`, `$${var.x}`, `$$${var.x}`, `\${var.x}`, `${`, `%{ if true }x%{ endif }`, `%%{ if }`, `%%%{ if }`, `%{`, `{{ .Values }}`, `//`, `/* a */`,
		`: #`, `a: b`, `a #b`, `- a`, `-`, `--query`, `-rf`, `? a`, `! a`, `&a`, `*a`, `|`, `>`, `[a]`, `{a: b}`, `null`, `yes`, `0x10`, `1e3`, `---`, `...`, `,`,
		`@/etc/hostname`, `@-`, `a=@/etc/hostname`, `??`, `None`, `[a,b]`, `{"a":1}`, `["a"]`, `a=b`, `'a'`, `'a'=b`, `a.b[0]=c`, `[0]=c`, `[concat('a')]`, `[[a]`,
		`größe`, `名前`, "🔑", "e\u0301", "a\u00a0b", "a\u2028b: c", "a\u2029b", "a\u202eb", "a\\\u202e'; touch pwned #", "%s\u200b0", "-\u200b", "a\U000e0041b", "\ufeffa", "a\ufffeb", "a\ufffdb", " a", "a ", "  ", "a  b",
	}
)

// With returns a changed copy of a workload.
func With(wl emit.Workload, change func(*emit.Workload)) emit.Workload {
	change(&wl)
	return wl
}

// Workloads returns the usual workloads, and workloads with a hostile value in each field.
func Workloads() map[string]emit.Workload {
	all := maps.Clone(Usual)
	for _, value := range Hostile {
		all["all "+value] = With(Elsewhere(value, value), func(wl *emit.Workload) { wl.Audience = value })
		all["path "+value] = Elsewhere("https://issuer.example/"+value, "repo:"+value)
		all["account "+value] = InCluster(AKS+value, value, value)
	}
	return all
}
