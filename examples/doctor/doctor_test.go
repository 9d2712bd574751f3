package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/internal/broken"
	"github.com/entrafed/entrafed/internal/emit"
)

// doctor runs the command. The environment is put back at the test's end.
func doctor(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	for _, name := range broken.EnvNames() {
		t.Setenv(name, os.Getenv(name))
	}
	t.Setenv("TMPDIR", t.TempDir()) // of Unix
	var o, e bytes.Buffer
	status = run(t.Context(), args, &o, &e)
	require.NotContains(t, o.String()+e.String(), "eyJ", "a token")
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left, "what a fake needed is removed")
	return status, o.String(), e.String()
}

func TestRightSetupIsStatus0(t *testing.T) {
	status, out, errs := doctor(t, "-fake", "ok")
	require.Equal(t, 0, status, out)
	require.Empty(t, errs)
	require.Equal(t, 7, strings.Count(out, "✔"))
	require.Contains(t, out, "The workload can sign in.")
}

// Whoever runs it against a setup with one thing wrong is led to the link that it is in, and to no other.
func TestEachBrokenSetupIsLedToItsLink(t *testing.T) {
	for _, setup := range broken.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			status, out, errs := doctor(t, "-fake", setup.Name)
			want := 1
			if setup.Transient {
				want = 3
			}
			require.Equal(t, want, status, out)
			require.Empty(t, errs)
			require.Equal(t, 1, strings.Count(out, "✘"), out)
			require.Regexp(t, "(?m)^✘  "+regexp.QuoteMeta(setup.Link)+" ", out)
		})
	}
}

func TestListNamesEverySetup(t *testing.T) {
	status, out, _ := doctor(t, "-fake", "list")
	require.Equal(t, 0, status)
	for _, setup := range broken.Setups() {
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
	require.Contains(t, string(html), "To be mended: federated credential.")

	status, _, errs = doctor(t, "-fake", "ok", "-html", filepath.Join(page, "cannot", "be"))
	require.Equal(t, 2, status)
	require.Contains(t, errs, "doctor: open ")
}

func TestScopeAndResourceOfOnesChoice(t *testing.T) {
	_, out, _ := doctor(t, "-fake", "ok", "-scope", "https://storage.azure.com/.default", "-resource", "https://orders.vault.azure.net/secrets/greeting?api-version=7.4")
	require.Contains(t, out, "https://storage.azure.com/.default")
	require.Regexp(t, "(?m)^✘  resource ", out, "the token is for storage")
}

func TestWithoutAnEnvironmentItSaysWhatIsMissing(t *testing.T) {
	for _, name := range broken.EnvNames() {
		t.Setenv(name, "")
	}
	status, out, _ := doctor(t)
	require.Equal(t, 1, status)
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
	require.Contains(t, errs, "make sure that it is the right token before you register it")
}

func TestWrongCommandIsStatus2(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"flag":     {[]string{"-scopes", "x"}, "flag provided but not defined: -scopes"},
		"argument": {[]string{"scope"}, `doctor takes flags only, not "scope"`},
		"timeout":  {[]string{"-timeout", "0s"}, "-timeout 0s is not positive"},
		"fake":     {[]string{"-fake", "nonesuch"}, `-fake "nonesuch" is not known; -fake list prints what is`},
		"emit":     {[]string{"-emit", "arm"}, `-emit "arm" is none of az, azwi, bicep, terraform, graph, portal, kubernetes`},
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
