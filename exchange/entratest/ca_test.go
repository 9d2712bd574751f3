package entratest_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func newCA(t testing.TB) *entratest.CA {
	t.Helper()
	ca, err := entratest.NewCA()
	require.NoError(t, err)
	return ca
}

func TestCertificateHasItsNamesAndItsCA(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	certificate, err := ca.Certificate("proxy.example", "127.0.0.1", "::1")
	require.NoError(t, err)
	require.NotNil(t, certificate.Leaf)
	for _, name := range []string{"proxy.example", "127.0.0.1", "::1"} {
		_, err := certificate.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: ca.Pool()})
		require.NoError(t, err, name)
		_, err = certificate.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: other.Pool()})
		assert.ErrorAs(t, err, new(x509.UnknownAuthorityError))
	}
	_, err = certificate.Leaf.Verify(x509.VerifyOptions{DNSName: "other.example", Roots: ca.Pool()})
	assert.ErrorAs(t, err, new(x509.HostnameError))

	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca.PEM()))
	assert.True(t, pool.Equal(ca.Pool()))
	_, err = ca.Certificate()
	require.ErrorContains(t, err, "needs at least one name")
	_, err = ca.Certificate("größe.example")
	assert.ErrorContains(t, err, "entratest: ", "DNS names are ASCII")
}

// serveTLS starts a server with a certificate of the CA for the names.
func serveTLS(t testing.TB, ca *entratest.CA, handler http.Handler, names ...string) *httptest.Server {
	t.Helper()
	certificate, err := ca.Certificate(names...)
	require.NoError(t, err)
	web := httptest.NewUnstartedServer(handler)
	web.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	web.StartTLS()
	t.Cleanup(web.Close)
	return web
}

// clientOf returns a client that trusts ca and requests serverName, by default the URL's host.
func clientOf(t testing.TB, ca *entratest.CA, serverName string) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: serverName, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
