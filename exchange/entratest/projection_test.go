package entratest_test

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
)

func project(t *testing.T, dir, name string) *entratest.Projection {
	t.Helper()
	links.Need(t)
	p, err := new(entratest.Cluster).Project(dir, name, entratest.TokenRequest{Pod: "app-0"})
	require.NoError(t, err)
	return p
}

func TestProjectionIsLaidOutAsTheKubeletDoes(t *testing.T) {
	for name, link := range map[string]string{"azure-identity-token": "azure-identity-token", "token/azure-identity-token": "token", "": "token"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "made")
			p := project(t, dir, name)
			name := cmp.Or(name, "token/azure-identity-token") // the default, as in the newest webhook
			assert.Equal(t, filepath.Join(dir, name), p.Path())
			assertLayout(t, dir, name, link, p.Token())
			before := p.Token()
			visible, err := os.Lstat(filepath.Join(dir, link))
			require.NoError(t, err)

			require.NoError(t, p.Rotate())
			assert.NotEqual(t, before, p.Token())
			assertLayout(t, dir, name, link, p.Token())
			still, err := os.Lstat(filepath.Join(dir, link))
			require.NoError(t, err)
			assert.True(t, os.SameFile(visible, still), "the visible link is left alone")
		})
	}
}

func assertLayout(t *testing.T, dir, name, link, token string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	assert.Equal(t, token, string(content), "byte for byte, no newline")
	info, err := os.Stat(filepath.Join(dir, name))
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, fs.FileMode(0o644), info.Mode())
	}
	target, err := os.Readlink(filepath.Join(dir, "..data"))
	require.NoError(t, err)
	assert.Regexp(t, regexp.MustCompile(`^\.\.\d{4}(_\d\d){5}\.\d+$`), target)
	to, err := os.Readlink(filepath.Join(dir, link))
	require.NoError(t, err)
	assert.Equal(t, filepath.Join("..data", link), to)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 3, "the old directory is gone")
}

func TestProjectionReaderSeesOnlyWholeTokens(t *testing.T) {
	p := project(t, t.TempDir(), "token")
	stop, seen := make(chan struct{}), map[string]bool{}
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			content, err := os.ReadFile(p.Path())
			switch {
			case err == nil:
				seen[string(content)] = true
			case !errors.Is(err, fs.ErrNotExist):
				assert.NoError(t, err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	issued := map[string]bool{p.Token(): true}
	for range 50 {
		require.NoError(t, p.Rotate())
		issued[p.Token()] = true
	}
	close(stop)
	reader.Wait()
	assert.NotEmpty(t, seen)
	for content := range seen {
		assert.True(t, issued[content], "%d bytes that are not a token", len(content))
	}
}

func TestProjectRefusesNamesThatLeaveTheVolume(t *testing.T) {
	for _, name := range []string{".", "..", "../token", "/token", "..data", "a/../../b"} {
		_, err := new(entratest.Cluster).Project(t.TempDir(), name, entratest.TokenRequest{})
		assert.Error(t, err, "%q", name)
	}
}

func TestProjectRefusesASecondProjection(t *testing.T) {
	dir := t.TempDir()
	p := project(t, dir, "token")
	_, err := new(entratest.Cluster).Project(dir, "other", entratest.TokenRequest{})
	assert.ErrorContains(t, err, "already")
	content, err := os.ReadFile(p.Path())
	require.NoError(t, err)
	assert.Equal(t, p.Token(), string(content))
}

func TestProjectReportsObstacles(t *testing.T) {
	for name, obstacle := range map[string]func(dir string) error{
		"directory is a file":  func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"file exists":          func(dir string) error { return os.MkdirAll(filepath.Join(dir, "token"), 0o755) },
		"rotation in progress": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "..data_tmp"), 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "volume")
			require.NoError(t, obstacle(dir))
			_, err := new(entratest.Cluster).Project(dir, "token", entratest.TokenRequest{})
			require.ErrorContains(t, err, dir)
			assert.NotContains(t, err.Error(), "already")
		})
	}
}

func TestFailedRotateKeepsTheOldToken(t *testing.T) {
	for name, path := range map[string]string{"temporary link": "..data_tmp", "the link itself": "..data"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := project(t, dir, "token")
			before, link := p.Token(), filepath.Join(dir, "..data")
			target, err := os.Readlink(link)
			require.NoError(t, err)
			obstacle := filepath.Join(dir, path)
			_ = os.Remove(obstacle) // the temporary link does not exist
			require.NoError(t, os.Mkdir(obstacle, 0o755))
			require.Error(t, p.Rotate())
			require.NoError(t, os.Remove(obstacle))
			if path == "..data" {
				require.NoError(t, os.Symlink(target, link))
			}

			assert.Equal(t, before, p.Token())
			assertLayout(t, dir, "token", "token", before)
			assert.NoError(t, p.Rotate())
		})
	}
}

func TestRotateOfARemovedVolume(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "volume")
	p := project(t, dir, "token")
	before := p.Token()
	require.NoError(t, os.RemoveAll(dir))
	require.ErrorIs(t, p.Rotate(), fs.ErrNotExist)
	assert.Equal(t, before, p.Token())
}
