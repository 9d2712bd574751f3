package regularfile_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/regularfile"
	"github.com/entrafed/entrafed/internal/test/links"
)

func TestReadHasABound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for size, ok := range map[int]bool{0: true, 1: true, regularfile.MaxSize: true, regularfile.MaxSize + 1: false, 2 * regularfile.MaxSize: false} {
		content := bytes.Repeat([]byte("x"), size)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		got, err := regularfile.Read(path)
		if ok {
			require.NoError(t, err)
			require.Equal(t, content, got)
			continue
		}
		require.EqualError(t, err, "larger than the limit of 1 MiB (1048576 bytes)")
		require.Empty(t, got)
	}
}

func TestReadFollowsLinks(t *testing.T) {
	links.Need(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600))
	require.NoError(t, os.Symlink("file", filepath.Join(dir, "link")))
	got, err := regularfile.Read(filepath.Join(dir, "link"))
	require.NoError(t, err)
	require.Equal(t, "content", string(got))
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	_, err := regularfile.Read(dir)
	require.EqualError(t, err, "is a directory: give the path of a regular file")
	_, err = regularfile.Read(os.DevNull)
	require.ErrorContains(t, err, "give the path of a regular file")
	_, err = regularfile.Read(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotContains(t, err.Error(), "missing", "the caller shows the path")
}
