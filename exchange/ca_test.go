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

// ca is a certificate authority whose errors fail the test.
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

// leaf returns a server certificate for names, 127.0.0.1 and 0.0.0.0.
func (c *ca) leaf(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	certificate, err := c.Certificate(append(names, "127.0.0.1", "0.0.0.0")...)
	require.NoError(t, err)
	return certificate
}

// pemOf returns a server's self-signed certificate.
func pemOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func writeCA(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	replace(t, path, content)
	return path
}

// replace replaces a file atomically, as the kubelet does.
func replace(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(content), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}
