package bench

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// size is the cost of one workload token in a program that does nothing else.
type size struct {
	binary                  int64 // bytes, without symbols
	modules, linked, others int   // modules in the graph, modules with code, packages outside std
}

// TestSize builds the same program with this library and with azidentity, each in a module that
// requires nothing else.
func TestSize(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two programs")
	}
	us, them := built(t, ours.name), built(t, azid.name)
	fmt.Printf("\n%s\n", markdown([][]string{
		{"A program that gets one token", azid.name, ours.name},
		{"binary", bytesText(uint64(them.binary)), bytesText(uint64(us.binary))},
		{"modules in its graph", fmt.Sprint(them.modules), fmt.Sprint(us.modules)},
		{"modules with code in it", fmt.Sprint(them.linked), fmt.Sprint(us.linked)},
		{"packages besides Go's", fmt.Sprint(them.others), fmt.Sprint(us.others)},
	}))
	require.Less(t, us.binary, them.binary+them.binary/20)
	require.LessOrEqual(t, us.modules, them.modules)
	require.LessOrEqual(t, us.linked, them.linked)
	require.LessOrEqual(t, us.others, them.others)
}

// built builds a program of testdata/size in its own module, with this module's versions.
func built(t *testing.T, name string) (s size) {
	dir := t.TempDir()
	for from, to := range map[string]string{filepath.Join("testdata", "size", name+".go"): "main.go", "go.sum": "go.sum"} {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), text, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(requiring(t, name)), 0o600))
	program := filepath.Join(dir, "program")
	command(t, dir, "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", program, ".")
	file, err := os.Stat(program)
	require.NoError(t, err)
	info, err := buildinfo.ReadFile(program)
	require.NoError(t, err)
	s.binary, s.linked = file.Size(), len(info.Deps)
	s.modules = len(command(t, dir, "list", "-m", "-mod=mod", "all")) - 1
	s.others = len(command(t, dir, "list", "-deps", "-f", "{{if and .Module (not .Module.Main)}}{{.ImportPath}}{{end}}", "."))
	return s
}

// requiring returns the go.mod of a program that needs one library, and azcore for its types.
func requiring(t *testing.T, library string) string {
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	require.NoError(t, err)
	const azure = "github.com/Azure/azure-sdk-for-go/sdk/"
	versions := command(t, ".", "list", "-m", azure+"azcore", azure+"azidentity")
	lines := []string{"module program", "go 1.26.0", "require " + versions[0]}
	if library == azid.name {
		return strings.Join(append(lines, "require "+versions[1]), "\n")
	}
	return strings.Join(append(lines, "require github.com/entrafed/entrafed v0.0.0", "replace github.com/entrafed/entrafed => "+root), "\n")
}

// command runs the go command and returns its output lines.
func command(t *testing.T, dir string, args ...string) (lines []string) {
	run := exec.CommandContext(t.Context(), "go", args...)
	run.Dir, run.Stderr = dir, os.Stderr
	out, err := run.Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
