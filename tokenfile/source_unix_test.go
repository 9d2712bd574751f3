//go:build linux || darwin

package tokenfile_test

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/tokenfile"
)

func TestOtherKindsOfFileAreRefused(t *testing.T) {
	// Short, because a socket's path is limited to about 100 bytes.
	dir, err := os.MkdirTemp("", "tf")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	fifo, socket, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket"), filepath.Join(dir, "link")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	require.NoError(t, os.Symlink(fifo, link))

	for path, kind := range map[string]string{
		fifo:        "a named pipe",
		link:        "a named pipe",
		socket:      "a socket",
		"/dev/null": "a device",
		"/dev/zero": "a device",
	} {
		_, err := tokenfile.New(path).Assertion(t.Context())
		assert.EqualError(t, err, "tokenfile: `"+path+"`: is "+kind+": give the path of a regular file")
	}
}

// The path is a file when it is checked, and a FIFO without a writer when it is opened.
func TestFIFOInTheLastMomentDoesNotHang(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "token"), filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte(valid(t)), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	require.NoError(t, os.Symlink("file", path))

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			for _, target := range []string{"fifo", "file"} {
				if !assert.NoError(t, os.Symlink(target, other)) || !assert.NoError(t, os.Rename(other, path)) {
					return
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 3000 {
		if _, err := tokenfile.New(path).Assertion(ctx); err != nil {
			require.ErrorContains(t, err, "is a named pipe")
		}
	}
	close(stop)
	<-stopped
}

func TestUnreadableFileIsRefusedAtOnce(t *testing.T) {
	path := file(t, valid(t))
	require.NoError(t, os.Chmod(path, 0))
	if os.Geteuid() == 0 { // root can read everything, so become nobody for a moment
		require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755))
		require.NoError(t, syscall.Seteuid(65534))
		defer func() { require.NoError(t, syscall.Seteuid(0)) }()
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := tokenfile.New(path).Assertion(t.Context())
		require.ErrorIs(t, err, fs.ErrPermission)
		assert.Equal(t, 1, strings.Count(err.Error(), path), err)
		assert.ErrorContains(t, err, "fsGroup")
		assert.Zero(t, time.Since(start), "no retries")
	})
}
