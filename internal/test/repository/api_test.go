package repository_test

import (
	"flag"
	"go/importer"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const updateCommand = "go test ./internal/test/repository -run TestAPI -args -update"

var update = flag.Bool("update", false, "write the exported API to docs/api.txt")

// TestAPI compares the exported API with docs/api.txt, so that every change to it is deliberate.
func TestAPI(t *testing.T) {
	file := filepath.Join(root, "docs", "api.txt")
	var got strings.Builder
	got.WriteString("# What users can name, a line each. To write a change down: " + updateCommand + "\n")
	packages := publicPackages(t)
	imports := importer.ForCompiler(token.NewFileSet(), "gc", exportData(t, packages))
	for _, path := range packages {
		p, err := imports.Import(path)
		require.NoError(t, err)
		got.WriteString("\n" + strings.Join(listAPI(p), "\n") + "\n")
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String(), "The exported API differs from docs/api.txt. If that is intended, run: "+updateCommand)
}

func publicPackages(t *testing.T) (paths []string) {
	for _, s := range sources(t) {
		if s.public() {
			paths = append(paths, module+"/"+s.folder())
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// exportData compiles packages and their imports, and returns a function that opens their export
// data.
func exportData(t *testing.T, packages []string) importer.Lookup {
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, packages...)...)
	command.Dir, command.Stderr = root, os.Stderr
	out, err := command.Output()
	require.NoError(t, err)
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}
