//go:build linux || darwin

package exchange_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// Reading a named pipe that has no writer would block forever.
func TestNamedPipeAsCAFileIsNotWaitedFor(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	path := writeCA(t, root.pem)
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path})
	c := newClient(t, o)
	require.NoError(t, os.Remove(path))
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := c.Exchange(t.Context(), request())
	assert.NoError(t, err)

	_, err = exchange.NewClient(o)
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, err, "is a named pipe")
}
