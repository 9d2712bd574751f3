package azure_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// network is a private internet. It maps the real services' host names to servers on loopback,
// which have certificates for those names. All other names are unreachable, so a client that uses
// one fails.
type network struct {
	ca *entratest.CA

	mu    sync.Mutex
	hosts map[string]string // listener's address by host
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	ca, err := entratest.NewCA()
	require.NoError(t, err)
	return &network{ca: ca, hosts: map[string]string{}}
}

// serve starts a TLS server for host.
func (n *network) serve(t *testing.T, host string, handler http.Handler) {
	t.Helper()
	certificate, err := n.ca.Certificate(host)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	n.lead(host, server.Listener.Addr().String())
}

// lead makes host resolve to address.
func (n *network) lead(host, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = address
}

// client returns an HTTP client that reaches only this network.
func (n *network) client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{
		DialContext:       n.dial,
		TLSClientConfig:   &tls.Config{RootCAs: n.ca.Pool()},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (n *network) dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	to, known := n.hosts[host]
	n.mu.Unlock()
	if !known {
		return nil, fmt.Errorf("the test's network has no host %q", host)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, protocol, to)
}
