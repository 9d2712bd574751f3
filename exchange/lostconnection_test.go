package exchange_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// When a NAT gateway forgets a connection, packets vanish without a reset. Only HTTP/2 pings
// notice: the client sends one after 10 s of silence, and closes the connection after 5 s without
// an answer. The retry dials a new one.
func TestLostConnectionIsReplacedWithinAnExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const host = "login.example"
		var entra entratest.Server
		root, listener := newCA(t), make(pipeListener, 1)
		server := &http.Server{Handler: &entra, TLSConfig: &tls.Config{Certificates: []tls.Certificate{root.leaf(t, host)}}}
		go func() { _ = server.ServeTLS(listener, "", "") }()
		defer func() { _ = server.Close() }()

		var connections []*losable
		transport := exchange.DefaultTransport()
		transport.TLSClientConfig.RootCAs = root.Pool()
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			connections = append(connections, &losable{Conn: ours})
			listener <- theirs
			return connections[len(connections)-1], nil
		}
		defer transport.CloseIdleConnections()
		o := &exchange.ClientOptions{Authority: "https://" + host}
		o.Transport = &http.Client{Transport: transport}
		o.Retry.TryTimeout = -1 // only pings may find it
		c := newClient(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		for range 2 {
			_, err := c.Exchange(ctx, request())
			require.NoError(t, err)
		}
		require.Len(t, connections, 1, "a good connection is kept")

		connections[0].lost.Store(true)
		start := time.Now()
		_, err := c.Exchange(ctx, request())
		require.NoError(t, err)
		assert.Len(t, connections, 2)
		assert.Len(t, entra.Requests(), 3, "each exchange is answered once")
		assert.InDelta(t, 16, time.Since(start).Seconds(), 1, "10 s of silence, 5 s for the ping, and azcore's pause before the retry")
	})
}

// losable is a connection that drops everything written to it once it is lost.
type losable struct {
	net.Conn
	lost atomic.Bool
}

func (c *losable) Write(p []byte) (int, error) {
	if c.lost.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// pipeListener accepts the connections sent to it.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error {
	close(l)
	return nil
}

func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{} }
