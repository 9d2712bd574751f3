package main

import (
	"bytes"
	"crypto/tls"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A client that /etc/hosts sends here accepts the certificate.
func TestCertificateCoversTheRealHosts(t *testing.T) {
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour})
	for _, host := range []string{
		"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net", "westeurope.login.microsoft.com",
		"login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn",
		"management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn",
		"orders.vault.azure.net", "localhost", "127.0.0.1", "[::1]",
	} {
		status, _, _ := p.get(t, "https://"+host+"/common/v2.0/.well-known/openid-configuration")
		assert.Equal(t, http.StatusOK, status, host)
	}
}

// A client that sends no server name gets the real hosts' names too.
func TestCertificateWithoutAName(t *testing.T) {
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour})
	transport, ok := p.client(t).Transport.(*http.Transport)
	require.True(t, ok)
	raw, err := transport.DialContext(t.Context(), "tcp", "")
	require.NoError(t, err)
	connection := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) // the test verifies below
	t.Cleanup(func() { _ = connection.Close() })
	require.NoError(t, connection.HandshakeContext(t.Context()))
	for _, host := range []string{"login.microsoftonline.com", "management.azure.com", "127.0.0.1", "localhost"} {
		assert.NoError(t, connection.ConnectionState().PeerCertificates[0].VerifyHostname(host))
	}
}

func TestLogExplainsAClientThatDoesNotTrustTheCA(t *testing.T) {
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour})
	transport, ok := p.client(t).Transport.(*http.Transport)
	require.True(t, ok)
	for name, config := range map[string]*tls.Config{"1.3": {}, "1.2": {MaxVersion: tls.VersionTLS12}} {
		stranger := &http.Client{Transport: &http.Transport{DialContext: transport.DialContext, TLSClientConfig: config}}
		_, err := stranger.Get("https://localhost/")
		require.ErrorContains(t, err, "certificate", name)
	}
	gone, err := transport.DialContext(t.Context(), "tcp", "")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	_, err = (&http.Client{Transport: &http.Transport{DialContext: transport.DialContext}}).Get("http://localhost/")
	require.NoError(t, err)

	hint := "the client may not trust the CA in " + p.environment["SSL_CERT_FILE"] + "."
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Regexp(c, `remote error: tls: (bad certificate|unknown certificate authority): `+hint, p.logs.String())
		assert.Contains(c, p.logs.String(), "EOF: "+hint)
		assert.Contains(c, p.logs.String(), "client sent an HTTP request to an HTTPS server\n", "without a hint")
	}, 10*time.Second, 5*time.Millisecond)
	for _, name := range []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"} {
		assert.Contains(t, p.logs.String(), name)
	}
}

// The log line depends on the client's TLS library.
func TestFailedHandshakes(t *testing.T) {
	for line, hinted := range map[string]bool{
		"http: TLS handshake error from 127.0.0.1:1: EOF":                                                  true,
		"http: TLS handshake error from 127.0.0.1:1: local error: tls: bad record MAC":                     true,
		"http: TLS handshake error from 127.0.0.1:1: remote error: tls: unknown certificate authority":     true,
		"http: TLS handshake error from 127.0.0.1:1: remote error: tls: unknown certificate":               true,
		"http: TLS handshake error from 127.0.0.1:1: remote error: tls: bad certificate":                   true,
		"http: TLS handshake error from 127.0.0.1:1: read tcp [::1]:1->[::1]:2: connection reset by peer":  true,
		"http: TLS handshake error from 127.0.0.1:1: tls: client offered only unsupported versions: [301]": false,
		"http: URL query contains semicolon, which is no longer a supported separator":                     false,
	} {
		var logs bytes.Buffer
		log.New(handshakes{log.New(&logs, "", 0), "/ca.pem"}, "", 0).Print(line)
		assert.Equal(t, hinted, bytes.Contains(logs.Bytes(), []byte("/ca.pem")), line)
		assert.True(t, bytes.HasPrefix(logs.Bytes(), []byte(line)), line)
	}
}
