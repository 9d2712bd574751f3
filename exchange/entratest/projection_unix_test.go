//go:build unix

package entratest_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// The users of other containers read the token, whatever the umask of the program that projects it.
func TestProjectedTokenIsReadableForAll(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	p, err := new(entratest.Cluster).Project(dir, "", entratest.TokenRequest{})
	require.NoError(t, err)
	path, err := filepath.EvalSymlinks(p.Path())
	require.NoError(t, err)
	file, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o644, file.Mode().Perm())
	for path = filepath.Dir(path); len(path) > len(dir); path = filepath.Dir(path) {
		folder, err := os.Stat(path)
		require.NoError(t, err)
		require.EqualValues(t, 0o755, folder.Mode().Perm(), path)
	}
}
