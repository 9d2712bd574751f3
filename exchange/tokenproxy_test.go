package exchange_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// arrival is what the proxy sees of a request, in addition to what Entra ID sees.
type arrival struct {
	host, path, sni string
	proto           int
	closes          bool
}

// tokenProxy is the proxy of an identity binding, with a fake Entra ID below /base.
type tokenProxy struct {
	*httptest.Server
	entra entratest.Server

	mu          sync.Mutex
	certificate tls.Certificate
	arrivals    []arrival
	connections int
	closed      chan struct{} // closed with the first connection
}

func newTokenProxy(t testing.TB, certificate tls.Certificate) *tokenProxy {
	p := &tokenProxy{certificate: certificate, closed: make(chan struct{})}
	closed := sync.OnceFunc(func() { close(p.closed) })
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.arrivals = append(p.arrivals, arrival{r.Host, r.URL.Path, r.TLS.ServerName, r.ProtoMajor, r.Close})
		p.mu.Unlock()
		http.StripPrefix("/base", &p.entra).ServeHTTP(w, r)
	}))
	p.EnableHTTP2 = true
	p.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	p.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.connections++
		return &tls.Config{Certificates: []tls.Certificate{p.certificate}, NextProtos: p.TLS.NextProtos, MaxVersion: p.TLS.MaxVersion}, nil
	}
	p.Config.ErrorLog = log.New(io.Discard, "", 0) // some clients reject the certificate
	p.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed()
		}
	}
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// present sets the certificate that the proxy presents from now on.
func (p *tokenProxy) present(certificate tls.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.certificate = certificate
}

// binding returns options for one try through the proxy.
func (p *tokenProxy) binding(b exchange.IdentityBinding) *exchange.ClientOptions {
	if b.TokenProxy == "" {
		b.TokenProxy = p.URL + "/base"
	}
	o := once(nil)
	o.IdentityBinding = &b
	return o
}

// reached returns how many requests reached Entra ID.
func (p *tokenProxy) reached() int { return len(p.entra.Requests()) }

// leadingTo returns a transport that connects to the proxy, whatever the host.
func leadingTo(p *tokenProxy) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, p.Listener.Addr().String())
	}}
}
