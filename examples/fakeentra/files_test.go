package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// Existing files stay unchanged.
func TestNothingOfOthersIsOverwritten(t *testing.T) {
	links.Need(t)
	file := func(path string) error { return os.WriteFile(path, []byte("mine"), 0o600) }
	directory := func(path string) error {
		return os.MkdirAll(filepath.Join(path, "mine"), 0o755)
	}
	link := func(path string) error { return os.Symlink(path+".mine", path) }
	for _, name := range []string{"ca.pem", "volume"} {
		for kind, make := range map[string]func(string) error{"file": file, "directory": directory, "link": link} {
			t.Run(name+" is a "+kind, func(t *testing.T) {
				dir := t.TempDir()
				require.NoError(t, make(filepath.Join(dir, name)))
				before := contents(t, dir)
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // so that run ends even if it gets to serve

				err := run(ctx, io.Discard, io.Discard, settings{addr: "127.0.0.1:0", lifetime: time.Hour, dir: dir})

				require.ErrorContains(t, err, filepath.Join(dir, name)+" already exists")
				assert.Equal(t, before, contents(t, dir))
			})
		}
	}
}

// Files that somebody else adds while fakeentra runs stay, and so do the directories that hold
// them.
func TestNothingOfOthersIsRemoved(t *testing.T) {
	for _, setup := range []string{"", "issuer-with-slash"} {
		dir := t.TempDir()
		p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour, dir: dir, setup: setup})
		mine := filepath.Join(dir, "volume", "mine")
		require.NoError(t, os.WriteFile(mine, []byte("mine"), 0o600))

		require.ErrorContains(t, p.stop(), filepath.Join(dir, "volume"))

		assert.Equal(t, map[string]string{".": "", "volume": "", filepath.Join("volume", "mine"): "mine"}, contents(t, dir))
	}
}

// Each rotation creates a new directory. The last one must be removed too.
func TestRotatedTokensAreRemoved(t *testing.T) {
	links.Need(t)
	dir := t.TempDir()
	var made files
	_, volume, err := made.prepare(dir, nil)
	require.NoError(t, err)
	projection, err := new(entratest.Cluster).Project(volume, "token/azure-identity-token", entratest.TokenRequest{})
	require.NoError(t, err)
	require.NoError(t, made.adopt(volume))
	require.NoError(t, projection.Rotate())

	require.NoError(t, made.remove())

	assert.Equal(t, map[string]string{".": ""}, contents(t, dir))
}

// Somebody may change the ..data link, so that it points out of the volume.
func TestChangedLinkIsNotFollowed(t *testing.T) {
	links.Need(t)
	dir, others := t.TempDir(), t.TempDir()
	mine := filepath.Join(others, "mine")
	require.NoError(t, os.WriteFile(mine, nil, 0o600))
	var made files
	_, volume, err := made.prepare(dir, nil)
	require.NoError(t, err)
	link := filepath.Join(volume, "..data")
	require.NoError(t, os.Symlink("token", link))
	require.NoError(t, made.adopt(volume))
	require.NoError(t, os.Remove(link))
	outside, err := filepath.Rel(volume, others)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(outside, link))

	require.NoError(t, made.remove())

	assert.FileExists(t, mine)
}

// Each setup creates different files.
func TestFilesOfSetupsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, setup := range setups.Setups() {
		p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour, dir: dir, setup: setup.Name})
		require.NoError(t, p.stop())
		require.Equal(t, map[string]string{".": ""}, contents(t, dir), setup.Name)
	}
}

// contents returns a directory's content by path: the text of files and the targets of links.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		name, _ := filepath.Rel(dir, path)
		found[name] = ""
		switch {
		case err != nil:
			return err
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			found[name] = string(text)
			return err
		case info.Mode()&os.ModeSymlink != 0:
			found[name], err = os.Readlink(path)
		}
		return err
	}))
	return found
}
