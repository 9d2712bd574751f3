//go:build unix

package emit_test

import (
	"cmp"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

// shells returns the shells that the scripts are for. It requires sh; bash is optional.
func shells(t *testing.T) []string {
	t.Helper()
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	if bash, err := exec.LookPath("bash"); err == nil {
		return []string{sh, bash}
	}
	t.Log("no bash: tested only with sh")
	return []string{sh}
}

// tool replaces az, azwi and kubectl. It records its name and arguments, knows every application
// and the managed identities listed in a file, and fails if another file exists.
const tool = `#!/bin/sh
{ printf '%s\0' "${0##*/}" "$@"; printf '\n\0'; } >>"$RECORD/calls"
[ ! -e "$RECORD/broken" ] || exit 1
case "$1 $2" in
'identity list') cat "$RECORD/identities" ;;
'ad app') if [ "$3" = show ]; then echo object-id; fi ;;
esac
`

// run runs scripts one after another, as if pasted, and returns the calls that they made. It fails
// if they did anything else.
func run(t *testing.T, shell, identities string, scripts ...string) [][]string {
	t.Helper()
	calls, output, err := attempt(t, shell, map[string]string{"identities": identities}, strings.Join(scripts, ""))
	require.NoError(t, err, output)
	return calls
}

// attempt runs a script. files holds the files that tool reads.
func attempt(t *testing.T, shell string, files map[string]string, script string) (calls [][]string, output string, err error) {
	t.Helper()
	check := exec.Command(shell, "-n")
	check.Stdin = strings.NewReader(script)
	syntax, err := check.CombinedOutput()
	require.NoError(t, err, "%s -n: %s", shell, syntax)

	bin, record, home := t.TempDir(), t.TempDir(), t.TempDir()
	for _, name := range []string{"az", "azwi", "kubectl"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte(tool), 0o700))
	}
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(record, name), []byte(content), 0o600))
	}
	command := exec.Command(shell, "-e")
	command.Stdin, command.Dir = strings.NewReader(script), home
	command.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "RECORD=" + record, "HOME=" + home}
	printed, err := command.CombinedOutput()

	left, readErr := os.ReadDir(home)
	require.NoError(t, readErr)
	assert.Empty(t, left, "a value ran as a command")
	recorded, readErr := os.ReadFile(filepath.Join(record, "calls"))
	require.NoError(t, readErr)
	for call := range strings.SplitSeq(strings.TrimSuffix(string(recorded), "\x00\n\x00"), "\x00\n\x00") {
		calls = append(calls, strings.Split(call, "\x00"))
	}
	return calls, string(printed), err
}

// forEach runs scripts in each shell and judges the calls of each. For az, they are those of the
// usual workloads and of workloads with a hostile issuer, subject and audience; for azwi, those
// that it accepts.
func forEach(t *testing.T, form, identities string, callsEach int, judge func(*testing.T, emit.Workload, [][]string)) {
	t.Helper()
	var names, scripts []string
	all := emittest.Workloads()
	for name, wl := range all {
		_, isUsual := emittest.Usual[name]
		if form == "az" && (isUsual || wl.Issuer == wl.Audience) || form == "azwi" && wl.ServiceAccount != "" && wl.Audience == emittest.Audience {
			names, scripts = append(names, name), append(scripts, write(t, form, wl))
		}
	}
	for _, shell := range shells(t) {
		calls := run(t, shell, identities, scripts...)
		require.Len(t, calls, callsEach*len(scripts))
		for i, name := range names {
			t.Run(filepath.Base(shell)+"/"+name, func(t *testing.T) { judge(t, all[name], calls[i*callsEach:][:callsEach]) })
		}
	}
}

// options splits a call into its words and its options, which have an equals sign.
func options(t *testing.T, call []string) (words string, values map[string]string) {
	t.Helper()
	values = map[string]string{}
	var before []string
	for _, argument := range call {
		if name, value, found := strings.Cut(argument, "="); found && strings.HasPrefix(name, "--") {
			require.NotContains(t, values, name)
			values[name] = value
		} else {
			before = append(before, argument)
		}
	}
	return strings.Join(before, " "), values
}

// azReads decodes an argument as the Azure CLI does in _maybe_load_file
// (azure/cli/core/commands/__init__.py) and AAZShortHandSyntaxParser.__call__
// (azure/cli/core/aaz/_utils.py). It fails if the result would not be a string.
func azReads(t *testing.T, argument string) string {
	t.Helper()
	require.NotRegexp(t, `^(@|null$|\?\?$)`, argument)
	quoted, found := strings.CutPrefix(argument, "'")
	if !found {
		require.NotRegexp(t, `^[\[{]|^[a-zA-Z0-9_.'\[\]-]+=`, argument, "a list, an object or a part of one")
		return argument
	}
	quoted, found = strings.CutSuffix(strings.ReplaceAll(quoted, "'/", "\n"), "'")
	require.True(t, found, "the quote is not closed")
	require.NotContains(t, quoted, "'", "something follows the quote")
	return strings.ReplaceAll(quoted, "\n", "'")
}

func TestAzManagedIdentity(t *testing.T) {
	forEach(t, "az", "orders-identity\tshop group\r\n", 2, func(t *testing.T, wl emit.Workload, calls [][]string) {
		query := "[?clientId=='" + idOf(wl) + "'].[name, resourceGroup]"
		assert.Equal(t, []string{"az", "identity", "list", "--query", query, "--output", "tsv"}, calls[0])
		words, values := options(t, calls[1])
		assert.Equal(t, "az identity federated-credential create", words)
		assert.Len(t, values, 6)
		assert.Equal(t, "orders-identity", values["--identity-name"])
		assert.Equal(t, "shop group", values["--resource-group"])
		c := credential{values["--name"], azReads(t, values["--issuer"]), azReads(t, values["--subject"]), azReads(t, values["--audiences"])}
		assertCredential(t, wl, c)
		assertUsualSignsIn(t, wl, c)
	})
}

func TestAzApplication(t *testing.T) {
	forEach(t, "az", "", 2, func(t *testing.T, wl emit.Workload, calls [][]string) {
		words, values := options(t, calls[1])
		assert.Equal(t, "az ad app federated-credential create", words)
		assert.Len(t, values, 2)
		assert.Equal(t, idOf(wl), values["--id"])
		require.Regexp(t, `^\{`, values["--parameters"], "the Azure CLI does not take it for a file")
		c := inJSON(t, values["--parameters"])
		assertCredential(t, wl, c)
		assertUsualSignsIn(t, wl, c)
	})
}

func idOf(wl emit.Workload) string { return cmp.Or(wl.ClientID, "REPLACE-WITH-CLIENT-ID") }

func assertUsualSignsIn(t *testing.T, wl emit.Workload, c credential) {
	t.Helper()
	if slices.Contains(slices.Collect(maps.Values(emittest.Usual)), wl) {
		assert.True(t, signsIn(t, token(t, wl), wl.Issuer, c))
	}
}

// Azure's client IDs are in lower case, and the query is case-sensitive.
func TestAzClientIDInCapitals(t *testing.T) {
	wl := emittest.With(emittest.Ordinary, func(wl *emit.Workload) { wl.ClientID = "AAAAAAAA-2222-4333-8444-555555555555" })
	calls := run(t, shells(t)[0], "", write(t, "az", wl))
	assert.Contains(t, calls[0], "[?clientId=='aaaaaaaa-2222-4333-8444-555555555555'].[name, resourceGroup]")
}

// Plain values go to the Azure CLI unquoted, because versions without the shorthand syntax would
// keep the quotes.
func TestAzPlainValues(t *testing.T) {
	for name, wl := range emittest.Usual {
		text := write(t, "az", wl)
		assert.Contains(t, text, "--issuer='"+wl.Issuer+"'", name)
		assert.Contains(t, text, "--subject='"+wl.Subject+"'", name)
		assert.Contains(t, text, "--audiences='"+wl.Audience+"'", name)
	}
}

func TestAzwi(t *testing.T) {
	forEach(t, "azwi", "", 3, func(t *testing.T, wl emit.Workload, calls [][]string) {
		words, _ := options(t, calls[0])
		assert.Equal(t, "az ad app show --query id --output tsv", words)
		words, values := options(t, calls[1])
		assert.Equal(t, "azwi serviceaccount create phase federated-identity", words)
		assert.Equal(t, map[string]string{
			"--aad-application-object-id":  "object-id",
			"--service-account-namespace":  wl.Namespace,
			"--service-account-name":       wl.ServiceAccount,
			"--service-account-issuer-url": wl.Issuer,
		}, values)
		assertUsualSignsIn(t, wl, credential{ // as azwi creates it
			Issuer: values["--service-account-issuer-url"], Audience: emittest.Audience,
			Subject: "system:serviceaccount:" + values["--service-account-namespace"] + ":" + values["--service-account-name"],
		})
		assert.Equal(t, []string{ // which keeps the rest of the service account
			"kubectl", "annotate", "--overwrite", "--namespace=" + wl.Namespace, "--", "serviceaccount", wl.ServiceAccount,
			"azure.workload.identity/client-id=" + idOf(wl),
		}, calls[2])
	})
}

// If a tool fails, because nobody is logged in for example, the script stops and fails. The shell
// that it was pasted into goes on.
func TestScriptFails(t *testing.T) {
	for form, want := range map[string][]string{"az": {"az identity list"}, "azwi": {"az ad app show"}} {
		for _, shell := range shells(t) {
			calls, output, err := attempt(t, shell, map[string]string{"broken": ""}, "set +e\n"+write(t, form, emittest.Ordinary)+"echo still here; false")

			require.Error(t, err)
			assert.Contains(t, output, "still here")
			require.Len(t, calls, len(want))
			for i, call := range calls {
				assert.Contains(t, strings.Join(call, " "), want[i])
			}
		}
	}
}
