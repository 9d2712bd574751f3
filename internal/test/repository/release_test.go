package repository_test

import (
	"debug/buildinfo"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const changelog = `# Changelog

## [Unreleased]

Later.

## [0.2.0] - 2027-02-01

### Added

- More ([how](docs/more.md#how), [why](https://example.com/why)).

## [0.2.0-rc.1] - 2027-01-01

## [0.1.0] - 2026-12-01

- The first.
`

func TestReleaseNotesAreTheChangelogsSection(t *testing.T) {
	dir := t.TempDir()
	copied := filepath.Join(dir, ".ci", "release")
	require.NoError(t, os.Mkdir(filepath.Dir(copied), 0o755))
	require.NoError(t, os.WriteFile(copied, []byte(read(t, ".ci/release")), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(changelog), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module forge.example/m\n"), 0o644))
	for _, row := range []struct{ version, want, fails string }{
		{version: "v0.2.0", want: "### Added\n\n- More ([how](https://forge.example/m/blob/v0.2.0/docs/more.md#how), [why](https://example.com/why)).\n"},
		{version: "v0.1.0", want: "- The first.\n"},
		{version: "v0.2.0-rc.1", fails: "no section [0.2.0-rc.1], or nothing is in it"},
		{version: "v0.3.0", fails: "no section [0.3.0]"},
		{version: "v0.2", fails: "not a version"},
		{version: "0.2.0", fails: "not a version"},
		{version: "Unreleased", fails: "not a version"},
	} {
		t.Run(row.version, func(t *testing.T) {
			got, failure := release(t, copied, "notes", row.version)
			if row.fails != "" {
				require.Contains(t, failure, row.fails)
				return
			}
			require.Empty(t, failure)
			require.Equal(t, row.want, got)
		})
	}
}

// The workflow builds it for more platforms.
func TestReleaseBuildsTheDoctor(t *testing.T) {
	needs(t, "realpath", "sha256sum")
	dir := t.TempDir()
	_, failure := release(t, filepath.Join(root, ".ci", "release"), "build", dir, runtime.GOOS+"/"+runtime.GOARCH)
	require.Empty(t, failure)

	binary := "doctor-" + runtime.GOOS + "-" + runtime.GOARCH
	require.NoError(t, exec.CommandContext(t.Context(), filepath.Join(dir, binary), "-fake", "list").Run())
	sums := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	sums.Dir = dir
	checked, err := sums.CombinedOutput()
	require.NoErrorf(t, err, "%s", checked)
	require.Equal(t, binary+": OK\n", string(checked))

	info, err := buildinfo.ReadFile(filepath.Join(dir, binary))
	require.NoError(t, err)
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	assert.Equal(t, "0", settings["CGO_ENABLED"])
	assert.Equal(t, "true", settings["-trimpath"], "or the builder's folders are in the file")
}

// release runs the script and returns what it prints. failure is empty if it succeeds.
func release(t *testing.T, script string, args ...string) (out, failure string) {
	if runtime.GOOS != "linux" {
		t.Skip("releases are made on Linux")
	}
	needs(t, "bash")
	command := exec.CommandContext(t.Context(), script, args...)
	printed, err := command.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", err.Error() + ": " + string(exit.Stderr)
	}
	require.NoError(t, err)
	return string(printed), ""
}

// needs skips the test if a program is missing.
func needs(t *testing.T, programs ...string) {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
}
