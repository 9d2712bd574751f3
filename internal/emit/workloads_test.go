package emit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	aks      = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"
	audience = "api://AzureADTokenExchange"
)

// credential is what is read back from what was printed.
type credential struct{ Name, Issuer, Subject, Audience string }

func of(wl emit.Workload) credential {
	return credential{Issuer: wl.Issuer, Subject: wl.Subject, Audience: wl.Audience}
}

func write(t testing.TB, form string, wl emit.Workload) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, emit.Write(&text, form, wl))
	return text.String()
}

// inCluster is a workload with a Kubernetes service account's token.
func inCluster(issuer, namespace, serviceAccount string) emit.Workload {
	return emit.Workload{
		ClientID: clientID, TenantID: tenantID,
		Issuer: issuer, Subject: "system:serviceaccount:" + namespace + ":" + serviceAccount, Audience: audience,
		Namespace: namespace, ServiceAccount: serviceAccount,
	}
}

// elsewhere is a workload with another issuer's token.
func elsewhere(issuer, subject string) emit.Workload {
	return emit.Workload{ClientID: clientID, TenantID: tenantID, Issuer: issuer, Subject: subject, Audience: audience}
}

var (
	ordinary = inCluster(aks, "shop", "orders")

	// usual are what people have.
	usual = map[string]emit.Workload{
		"AKS":            ordinary,
		"no slash":       inCluster(strings.TrimSuffix(aks, "/"), "shop", "orders"),
		"GitHub Actions": elsewhere("https://token.actions.githubusercontent.com", "repo:o/r:environment:prod"),
		"SPIFFE":         elsewhere("https://spire.example.org", "spiffe://example.org/ns/shop/sa/orders"),
		"Google":         elsewhere("https://accounts.google.com", "112633961854638529490"),
		"government":     with(ordinary, func(wl *emit.Workload) { wl.Audience = "api://AzureADTokenExchangeUSGov" }),
		"unknown client": with(ordinary, func(wl *emit.Workload) { wl.ClientID, wl.TenantID = "", "" }),
		"longest":        elsewhere("https://issuer.example/"+strings.Repeat("i", 577), strings.Repeat("s", 600)),
	}

	// hostile are values that mean something in one of the languages, each of which would leave a file if it ran.
	hostile = []string{
		`'; touch pwned #`, `"; touch pwned #`, `$(touch pwned)`, "`touch pwned`", `\$(touch pwned)`, `'"$(touch pwned)"'`, `'\''; touch pwned; '`,
		`& touch pwned`, `| touch pwned`, `> pwned`, `!!`, `~`, `*`, `a\`, `a\\`, `\n`, `\u0041`, `\x41`, `\'`, `'`, `''`, `'''`, `"`, `""`, `$`, `$$`,
		`$'\x41'`, `$"x"`, `%`, `%%`, `%s%n%[9]d`, `# a`, `</script>`, `<!--`,
		`${var.x}`, `$${var.x}`, `$$${var.x}`, `\${var.x}`, `${`, `%{ if true }x%{ endif }`, `%%{ if }`, `%%%{ if }`, `%{`, `{{ .Values }}`, `//`, `/* a */`,
		`: #`, `a: b`, `a #b`, `- a`, `-`, `--query`, `-rf`, `? a`, `! a`, `&a`, `*a`, `|`, `>`, `[a]`, `{a: b}`, `null`, `yes`, `0x10`, `1e3`, `---`, `...`, `,`,
		`@/etc/hostname`, `@-`, `a=@/etc/hostname`, `??`, `None`, `[a,b]`, `{"a":1}`, `["a"]`, `a=b`, `'a'`, `'a'=b`, `a.b[0]=c`, `[0]=c`, `[concat('a')]`, `[[a]`,
		`größe`, `名前`, "🔑", "e\u0301", "a\u00a0b", "a\u2028b: c", "a\u2029b", "a\u202eb", "\ufeffa", "a\ufffeb", "a\ufffdb", " a", "a ", "  ", "a  b",
	}
)

func with(wl emit.Workload, change func(*emit.Workload)) emit.Workload {
	change(&wl)
	return wl
}

// workloads are the usual ones, and those with a hostile value in each of their fields.
func workloads() map[string]emit.Workload {
	all := map[string]emit.Workload{}
	for name, wl := range usual {
		all[name] = wl
	}
	for _, value := range hostile {
		all["all "+value] = with(elsewhere(value, value), func(wl *emit.Workload) { wl.Audience = value })
		all["path "+value] = elsewhere("https://issuer.example/"+value, "repo:"+value)
		all["account "+value] = inCluster(aks+value, value, value)
	}
	return all
}
