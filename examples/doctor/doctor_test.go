package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// doctor runs the command. The environment is restored at the end of the test.
func doctor(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	links.Need(t)
	for _, name := range setups.EnvNames() {
		value, ok := os.LookupEnv(name)
		t.Setenv(name, value)
		if !ok {
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("TMPDIR", t.TempDir()) // read only on Unix
	var o, e bytes.Buffer
	status = run(t.Context(), args, &o, &e)
	require.NotContains(t, o.String()+e.String(), "eyJhbGciOi", "a token")
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left, "the fake's files are removed")
	return status, o.String(), e.String()
}

func TestWorkingSetupIsStatus0(t *testing.T) {
	status, out, errs := doctor(t, "-fake", "ok")
	require.Equal(t, 0, status, out)
	require.Empty(t, errs)
	require.Equal(t, 7, strings.Count(out, "✔"))
	require.Contains(t, out, "The workload can sign in.")
}

// If one thing is wrong, the report marks only its link as failed.
func TestOnlyTheBrokenLinkFails(t *testing.T) {
	for _, setup := range setups.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			status, out, errs := doctor(t, "-v", "-fake", setup.Name)
			want := 1
			if setup.Transient {
				want = 3
			}
			require.Equal(t, want, status, out)
			require.Empty(t, errs)
			require.Equal(t, 1, strings.Count(out, "✘"), out)
			require.Regexp(t, "(?m)^✘  "+regexp.QuoteMeta(setup.Link)+" ", out)
			if setup.Name != "token-revoked" { // its claims challenge looks like a token
				require.NotContains(t, out, redact.Mark, "the report hides something that people need")
			}
		})
	}
}

func TestListNamesEverySetup(t *testing.T) {
	status, out, _ := doctor(t, "-fake", "list")
	require.Equal(t, 0, status)
	for _, setup := range setups.Setups() {
		require.Regexp(t, "(?m)^"+setup.Name+" +"+regexp.QuoteMeta(setup.About)+"$", out)
	}
}

func TestReportAsJSONAndAsPage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "report.html")
	status, out, errs := doctor(t, "-fake", "issuer-without-slash", "-json", "-html", page)
	require.Equal(t, 1, status, errs)
	var report diagnose.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, diagnose.Misconfigured, report.Verdict)
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(html), "Fix needed: federated credential.")

	status, _, errs = doctor(t, "-fake", "ok", "-html", filepath.Join(page, "cannot", "be"))
	require.Equal(t, 2, status)
	require.Contains(t, errs, "doctor: -html: open ")
}

func TestScopeAndResourceFlags(t *testing.T) {
	_, out, _ := doctor(t, "-v", "-fake", "ok", "-scope", "https://storage.azure.com/.default", "-resource", "https://orders.vault.azure.net/secrets/greeting?api-version=7.4")
	require.Contains(t, out, "https://storage.azure.com/.default")
	require.Regexp(t, "(?m)^✘  resource ", out, "the token is for storage")
}

// With an agent, the report includes its exchanges, and -emit graph prints the blueprint's URL.
func TestAgentOfABlueprint(t *testing.T) {
	const agent = "a0000000-0000-4000-8000-00000000000a"
	status, out, errs := doctor(t, "-fake", "ok", "-agent", agent)
	require.Equal(t, 0, status, out+errs)
	require.Equal(t, 9, strings.Count(out, "✔"), out)
	require.Contains(t, out, "✔  blueprint's token ")
	require.Contains(t, out, "✔  agent's token ")
	status, out, errs = doctor(t, "-fake", "no-federated-credential", "-agent", agent)
	require.Equal(t, 1, status)
	require.Empty(t, errs)
	require.Contains(t, out, "Fix needed: federated credential.")

	status, out, errs = doctor(t, "-fake", "no-federated-credential", "-agent", agent, "-emit", "graph")
	require.Equal(t, 0, status)
	require.Contains(t, out, `"subject": "system:serviceaccount:shop:orders"`)
	require.Contains(t, errs, "/microsoft.graph.agentIdentityBlueprint/federatedIdentityCredentials")
}

// clearEnvironment unsets the variables that the doctor reads, until the end of the test.
func clearEnvironment(t *testing.T) {
	t.Helper()
	links.Need(t)
	for _, name := range setups.EnvNames() {
		t.Setenv(name, "")
		require.NoError(t, os.Unsetenv(name))
	}
}

// In a pod with an identity binding, the doctor uses its token proxy, and says why.
func TestIdentityBindingIsUsedIfTheEnvironmentNamesIt(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", "http://proxy.example")
	_, out, _ := doctor(t)
	require.Contains(t, out, `token proxy "http://proxy.example" is not an`)
	_, out, _ = doctor(t, "-azure-proxy=false")
	require.NotContains(t, out, "is not an https URL")

	_, out, _ = doctor(t, "-v", "-fake", "binding-not-enabled")
	require.Contains(t, unwrapped(out), "identity binding not used: AZURE_KUBERNETES_TOKEN_PROXY is set, but not Options.EnableAzureProxy")
	_, out, _ = doctor(t, "-v", "-fake", "binding-not-enabled", "-azure-proxy")
	require.Contains(t, unwrapped(out), "identity binding used, because AZURE_KUBERNETES_TOKEN_PROXY and Options.EnableAzureProxy are set")
	status, out, _ := doctor(t, "-fake", "binding-without-its-token", "-azure-proxy=false")
	require.Equal(t, 0, status, out)
	_, out, _ = doctor(t, "-v", "-fake", "ok")
	require.NotContains(t, out, "identity binding")
}

// unwrapped joins the report's lines into one.
func unwrapped(report string) string { return strings.Join(strings.Fields(report), " ") }

func TestEmptyEnvironmentIsExplained(t *testing.T) {
	clearEnvironment(t)
	status, out, _ := doctor(t)
	require.Equal(t, 1, status)
	require.Regexp(t, `^✘ environment failure \(\S+\) AZURE_CLIENT_ID \(not set\) .* Fix needed: environment\. problem no workload identity is configured here: in a pod, the workload identity webhook did not change the pod, `, unwrapped(out))
	require.Contains(t, out, "AZURE_CLIENT_ID is not set")
	status, out, errs := doctor(t, "-emit", "az")
	require.Equal(t, 1, status)
	require.Empty(t, out)
	require.Contains(t, errs, "AZURE_FEDERATED_TOKEN_FILE is not set")
}

func TestEmitPrintsWhatThisWorkloadPresents(t *testing.T) {
	for _, form := range emit.Forms() {
		t.Run(form, func(t *testing.T) {
			status, out, errs := doctor(t, "-fake", "no-federated-credential", "-emit", form)
			require.Equal(t, 0, status, errs)
			require.Empty(t, errs)
			if form == "kubernetes" {
				require.Contains(t, out, "azure.workload.identity/client-id")
			} else {
				require.Contains(t, out, "20000000-0000-4000-8000-000000000002/", "the issuer, with its slash")
			}
		})
	}
	_, out, errs := doctor(t, "-fake", "token-for-kubernetes", "-emit", "graph")
	require.Contains(t, out, "kubernetes.default.svc")
	require.Contains(t, errs, "make sure that this is the right token before you register it")
}

// Only -force prints a federated credential for a token that Entra ID cannot accept.
func TestEmitRefusesATokenThatCannotWork(t *testing.T) {
	for fake, words := range map[string]string{
		"issuer-within-the-cluster":   "give the cluster a public issuer first (AKS: az aks update --enable-oidc-issuer; kube-apiserver: --service-account-issuer), or use -force",
		"issuer-with-private-address": "give the cluster a public issuer first",
		"issuer-with-private-name":    "give the issuer a public https URL first, or use -force", // a CI server's
		"binding-not-enabled":         "it is for the token proxy of an AKS identity binding, which does not need this federated credential; use -force",
	} {
		status, out, errs := doctor(t, "-fake", fake, "-emit", "graph")
		require.Equal(t, 1, status, fake)
		require.Empty(t, out)
		require.Contains(t, errs, words)
		status, out, errs = doctor(t, "-fake", fake, "-emit", "graph", "-force")
		require.Equal(t, 0, status, errs)
		require.Contains(t, out, `"issuer": `)
	}
}

// A token or password in the wrong place appears in no output and no error.
func TestMisplacedSecretsAreNotPrinted(t *testing.T) {
	plants := []string{
		"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.hunter2hunter2hunter2",
		"Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.hunter2hunter2hunter2",
		"https://user:hunter2@127.0.0.1:1/path",
		"https://127.0.0.1:1/path?sig=hunter2&se=1",
		"https://127.0.0.1:1/path#access_token=hunter2",
		"user:hunter2@127.0.0.1",
		"user:hun/ter2hunter2@127.0.0.1",
		"//user:hunter2@127.0.0.1",
		"127.0.0.1/path?sv=1&sig=hunter2",
		"https:/127.0.0.1/path?sig=hunter2",
	}
	page := filepath.Join(t.TempDir(), "page.html")
	forms := [][]string{nil, {"-v"}, {"-json"}, {"-html", page}, {"-emit", "az"}}
	check := func(place string, args ...string) {
		t.Helper()
		defer clearEnvironment(t) // removes the fake's variables
		_, out, errs := doctor(t, args...)
		html, err := os.ReadFile(page)
		if err == nil {
			require.NoError(t, os.Remove(page))
		}
		require.NotContains(t, out+errs+string(html), "hunter2", "%s %v", place, args)
		require.NotContains(t, string(html), "eyJhbGciOi", place)
	}
	clearEnvironment(t)
	for _, plant := range plants {
		for _, form := range forms {
			for _, name := range setups.EnvNames() {
				t.Setenv(name, plant)
				check(name, form...)
			}
			for _, flag := range []string{"-scope", "-resource", "-agent", "-timeout", "-fake", "-emit", "-azure-proxy", "-json", "-nonesuch"} {
				check(flag, append(slices.Clone(form), flag+"="+plant)...)
				check(flag, append(slices.Clone(form), "-fake=ok", flag+"="+plant)...)
			}
			check("argument", append(slices.Clone(form), plant)...)
		}
		check("page", "-fake=ok", "-html", plant+"/nowhere/page.html")
	}
}

func TestInvalidCommandIsStatus2(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"flag":     {[]string{"-scopes", "x"}, "flag provided but not defined: -scopes"},
		"argument": {[]string{"scope"}, `doctor takes flags only, not "scope"`},
		"proxy":    {[]string{"-azure-proxy=perhaps"}, "invalid boolean value"},
		"timeout":  {[]string{"-timeout", "0s"}, "-timeout 0s is not positive"},
		"force":    {[]string{"-force"}, "-force has no effect without -emit"},
		"report":   {[]string{"-emit", "az", "-json"}, "-emit prints no report"},
		"fake":     {[]string{"-fake", "nonesuch"}, `-fake "nonesuch" is not known; -fake list prints the names`},
		"emit":     {[]string{"-emit", "arm"}, `-emit "arm" is not one of az, azwi, bicep, terraform, graph, portal, kubernetes`},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, errs := doctor(t, row.args...)
			require.Equal(t, 2, status)
			require.Empty(t, out)
			require.Contains(t, errs, row.want)
		})
	}
	status, _, errs := doctor(t, "-h")
	require.Equal(t, 0, status)
	require.Contains(t, errs, "-resource")
}
