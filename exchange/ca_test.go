package exchange_test

import (
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// ca is a certificate authority that fails the test where it fails.
type ca struct {
	*entratest.CA
	pem string
}

func newCA(t testing.TB) *ca {
	t.Helper()
	authority, err := entratest.NewCA()
	require.NoError(t, err)
	return &ca{authority, string(authority.PEM())}
}

// leaf returns a server's certificate for 127.0.0.1, 0.0.0.0 and the names.
func (c *ca) leaf(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	certificate, err := c.Certificate(append(names, "127.0.0.1", "0.0.0.0")...)
	require.NoError(t, err)
	return certificate
}

// pemOf returns the certificate of a server that has made its own.
func pemOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func writeCA(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	replace(t, path, content)
	return path
}

// replace swaps a file in one step, as the kubelet does.
func replace(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(content), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}
