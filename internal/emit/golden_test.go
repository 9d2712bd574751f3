package emit_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

var update = flag.Bool("update", false, "rewrite testdata")

// testdata has each form of an ordinary workload.
func TestGolden(t *testing.T) {
	files := map[string]string{
		"az": "az.sh", "azwi": "azwi.sh", "bicep": "main.bicep", "terraform": "main.tf", "graph": "graph.json", "portal": "portal.txt",
		"kubernetes": "kubernetes.yaml",
	}
	for _, form := range emit.Forms() {
		file := filepath.Join("testdata", files[form])
		text := write(t, form, emittest.Ordinary)
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(want), text, form)
	}
}
