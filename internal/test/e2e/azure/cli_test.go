package azure_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manual is the document with the commands that sign the Azure CLI in.
const manual = "../../../../examples/fakeentra/README.md"

// commands returns the manual's code block that begins with text.
func commands(t *testing.T, text string) string {
	t.Helper()
	document, err := os.ReadFile(manual)
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)\n```sh\n(" + regexp.QuoteMeta(text) + ".*?)```").FindSubmatch(document)
	require.NotNil(t, block, "%s has no block that begins with %s", manual, text)
	return string(block[1])
}

// island is a network without other machines, in which Microsoft's host names resolve to a
// fakeentra.
type island struct {
	*fakeentra
	enter  []string // runs a command in the island
	config string   // the Azure CLI's folder

	programs string // folder to add to PATH
}

// newIsland starts a fakeentra in a new network namespace, and in a mount namespace with another
// /etc/hosts. The machine's own network and hosts do not change.
func newIsland(t *testing.T, binary string, flags ...string) *island {
	t.Helper()
	unshare, nsenter := []string{"unshare", "--net", "--mount"}, []string{"nsenter", "--net", "--mount"}
	if os.Geteuid() != 0 {
		unshare, nsenter = append(unshare, "--map-root-user"), append(nsenter, "--user", "--preserve-credentials")
	}
	if output, err := exec.Command(unshare[0], append(unshare[1:], "ip", "link", "set", "lo", "up")...).CombinedOutput(); err != nil {
		missing(t, "a network namespace: "+err.Error()+": "+string(output))
	}
	hosts := filepath.Join(t.TempDir(), "hosts")
	require.NoError(t, os.WriteFile(hosts, []byte("127.0.0.1 localhost login.microsoftonline.com management.azure.com graph.microsoft.com\n"), 0o644))
	start := append(unshare, "sh", "-c", `ip link set lo up && mount --bind "$1" /etc/hosts && shift && exec "$@"`, "sh", hosts,
		binary, "-addr", loginHost+":443")
	i := &island{fakeentra: startFakeentra(t, append(start, flags...)...), config: t.TempDir()}
	i.enter = append(nsenter, "--target", strconv.Itoa(i.process.Pid), "--")
	return i
}

// run runs commands for the Azure CLI in the island.
func (i *island) run(t *testing.T, script string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := append(append(i.enter, i.shell()...), "sh", "-ec", script)
	process := exec.CommandContext(ctx, command[0], command[1:]...)
	process.Env = []string{debianPath() + ":" + i.programs, "HOME=" + i.config, "AZURE_CONFIG_DIR=" + i.config, "AZURE_CORE_COLLECT_TELEMETRY=false"}
	if _, err := os.Stat(debian("bin", "az")); err == nil { // an installed az has its own libraries
		process.Env = append(process.Env, debianLibraries())
	}
	var out, errs strings.Builder
	process.Stdout, process.Stderr = &out, &errs
	err = process.Run()
	return out.String(), errs.String(), err
}

func requireCLI(t *testing.T) {
	t.Helper()
	look := exec.Command("sh", "-c", "command -v az")
	look.Env = []string{debianPath()}
	if look.Run() != nil {
		missing(t, "az, the Azure CLI")
	}
}

// The unmodified Azure CLI uses Microsoft's own host names.
func TestAzureCLISignsIn(t *testing.T) {
	requireCLI(t)
	there := newIsland(t, buildFakeentra(t))

	stdout, stderr, err := there.run(t, commands(t, "az "))

	require.NoError(t, err, "%s\n%s", stderr, there.log)
	var accounts []any
	var got struct{ AccessToken, Tenant string }
	printed := json.NewDecoder(strings.NewReader(stdout))
	require.NoError(t, printed.Decode(&accounts))
	require.NoError(t, printed.Decode(&got))
	assert.Equal(t, []string{vaultAudience}, audience(t, got.AccessToken))
	assert.Contains(t, there.log.String(), " POST /"+got.Tenant+"/oauth2/v2.0/token 200 ")
	assert.Contains(t, there.log.String(), " GET /subscriptions 200 ")
	assert.NotContains(t, there.log.String(), " 404 ", "fakeentra serves everything that the CLI requests")
	machine, err := os.ReadFile("/etc/hosts")
	require.NoError(t, err)
	assert.NotContains(t, string(machine), loginHost, "the machine's own hosts are unchanged")
}

func TestAzureCLIMeetsABrokenSetup(t *testing.T) {
	requireCLI(t)
	there := newIsland(t, buildFakeentra(t), "-setup", "another-namespace")

	_, stderr, err := there.run(t, commands(t, "az "))

	require.Error(t, err)
	assert.Contains(t, stderr, "AADSTS700213")
	assert.Contains(t, stderr, "system:serviceaccount:staging:orders")
}

// The unmodified Azure CLI applies what the doctor emits. Then the fake trusts the workload.
func TestAzureCLIAppliesWhatTheDoctorEmits(t *testing.T) {
	requireCLI(t)
	login, rest := commands(t, "az "), commands(t, "credentials=")
	lines := strings.SplitAfter(rest, "\n")
	require.Len(t, lines, 4, "the last one is empty")
	remove := lines[0] + lines[1]
	for form, add := range map[string]string{"graph": lines[0] + lines[2], "az": "doctor -emit az | sh"} {
		t.Run(form, func(t *testing.T) {
			there := newIsland(t, buildFakeentra(t))
			there.programs = t.TempDir()
			output, err := exec.Command("go", "build", "-o", there.programs, "github.com/entrafed/entrafed/examples/doctor").CombinedOutput()
			require.NoError(t, err, "%s", output)
			run := func(script string) (stderr string, err error) {
				_, stderr, err = there.run(t, script)
				return stderr, err
			}
			again := "export AZURE_CONFIG_DIR=$HOME/again\n" + login // keeps the administrator's session

			stderr, err := run(login + remove)
			require.NoError(t, err, "%s\n%s", stderr, there.log)
			stderr, err = run(again)
			require.Error(t, err)
			require.Contains(t, stderr, "AADSTS70025", "the credential is gone")
			stderr, err = run(add)
			require.NoError(t, err, "%s\n%s", stderr, there.log)

			stderr, err = run(again)
			require.NoError(t, err, "%s\n%s", stderr, there.log)
		})
	}
}
