// Package links skips tests that need symbolic links, such as those of a projected token, where
// none can be made.
package links

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Need skips the test if Windows refuses symbolic links. It allows them only in developer mode or
// with a privilege.
func Need(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "windows" {
		return
	}
	if err := os.Symlink("target", filepath.Join(t.TempDir(), "link")); err != nil {
		t.Skip("symbolic links cannot be made here:", err)
	}
}
