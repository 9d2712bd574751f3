//go:build linux

package faults_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const authority = "login.example.com"

// issuer is the CA that the clients in these tests trust.
var issuer = sync.OnceValue(func() *entratest.CA {
	ca, err := entratest.NewCA()
	if err != nil {
		panic(err)
	}
	return ca
})

// certified returns a server's TLS configuration with a certificate for name from issuer.
func certified(t *testing.T, name string) *tls.Config {
	t.Helper()
	certificate, err := issuer().Certificate(name)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
}

// netRow is a fault of the network. One of raw, request, frames and handler defines how the server
// behaves on a connection.
type netRow struct {
	name   string
	refuse bool                                    // nothing listens
	dial   func(context.Context) (net.Conn, error) // instead of connecting
	raw    func(net.Conn)                          // runs when a connection is accepted
	// request runs when a request has been read, over HTTP/1.1.
	request func(*tls.Conn)
	frames  func(h2 *http2Conn, stream uint32) // the same over HTTP/2
	handler http.HandlerFunc                   // over either version
	server  func(*testing.T, *tls.Config)
	client  func(*http.Transport)
	hangs   bool // until the caller's own deadline ends its wait
	want
}

// hung is the error of a caller whose own deadline has passed.
var hung = want{is: []error{context.DeadlineExceeded}, words: []string{"waiting for a reply from " + authority}}

// broken is a server that behaves as its row says.
type broken struct {
	*testing.T
	row      netRow
	listener net.Listener
	config   *tls.Config
	conns    sync.Map
	released chan struct{} // closed at the end to release what hangs
}

func newBroken(t *testing.T, x netRow, http2 bool) *broken {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &broken{T: t, row: x, listener: listener, released: make(chan struct{})}
	b.config = certified(t, authority)
	if http2 {
		b.config.NextProtos = []string{"h2"}
	}
	if x.server != nil {
		x.server(t, b.config)
	}
	switch {
	case x.refuse:
		require.NoError(t, listener.Close())
	case x.handler != nil:
		b.serveHTTP(http2)
	default:
		go b.serve()
	}
	return b
}

// release ends every connection.
func (b *broken) release() {
	close(b.released)
	_ = b.listener.Close()
	b.conns.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
}

func (b *broken) serveHTTP(http2 bool) {
	s := httptest.NewUnstartedServer(b.row.handler)
	_ = s.Listener.Close()
	s.Listener, s.TLS, s.EnableHTTP2 = b.listener, b.config, http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(conn net.Conn, _ http.ConnState) { b.conns.Store(conn, true) }
	s.StartTLS()
	b.Cleanup(s.Close)
}

func (b *broken) serve() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.conns.Store(conn, true)
		go b.talk(conn)
	}
}

// talk serves one connection. It ignores errors, because only the client's behavior is tested.
func (b *broken) talk(conn net.Conn) {
	if b.row.raw != nil {
		b.row.raw(conn)
		return
	}
	secure := tls.Server(conn, b.config)
	if secure.Handshake() != nil {
		hang(conn) // so that the client reads the alert before the connection closes
		return
	}
	if b.row.frames != nil {
		serveHTTP2(secure, b.row.frames)
		return
	}
	req, err := http.ReadRequest(bufio.NewReader(secure))
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	if err == nil && b.row.request != nil {
		b.row.request(secure)
	}
}

// hang waits for the peer to close the connection.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func reset(conn net.Conn) {
	_ = underlying(conn).(*net.TCPConn).SetLinger(0)
	_ = underlying(conn).Close()
}

func underlying(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}

// says sends text and then calls then with the connection.
func says(text string, then func(net.Conn)) func(*tls.Conn) {
	return func(conn *tls.Conn) {
		_, _ = io.WriteString(conn, text)
		then(conn)
	}
}

func closes(conn net.Conn) { _ = conn.Close() }

// http2Conn is the server's end of an HTTP/2 connection, with just enough of RFC 9113 for these
// faults.
type http2Conn struct{ net.Conn }

const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway = 0, 1, 3, 4, 7

	noError, internalError, enhanceYourCalm = 0, 2, 11
)

func (c *http2Conn) frame(kind, flags byte, stream uint32, payload []byte) {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = binary.BigEndian.AppendUint32(append(head, flags), stream)
	_, _ = c.Write(append(head, payload...))
}

func (c *http2Conn) goAway(last, code uint32, debug string) {
	c.frame(frameGoAway, 0, 0, append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code), debug...))
}

func (c *http2Conn) reset(stream, code uint32) {
	c.frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

// ok sends the headers of a reply with status 200, entry 8 of HPACK's static table.
func (c *http2Conn) ok(stream uint32) { c.frame(frameHeaders, 4, stream, []byte{0x88}) }

// serveHTTP2 reads frames until the first request is complete, then calls then.
func serveHTTP2(conn net.Conn, then func(*http2Conn, uint32)) {
	c := &http2Conn{conn}
	if _, err := io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	c.frame(frameSettings, 0, 0, nil)
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[:])>>8)); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == frameSettings && flags&1 == 0:
			c.frame(frameSettings, 1, 0, nil)
		case (kind == frameData || kind == frameHeaders) && flags&1 != 0:
			then(c, stream)
			hang(conn)
			return
		}
	}
}

// network sends requests to the rig's Entra, or to the broken server while the rig is down.
type network struct {
	rig    *rig
	broken http.RoundTripper
}

func (n network) RoundTrip(req *http.Request) (*http.Response, error) {
	if n.rig.down.Load() {
		return n.broken.RoundTrip(req)
	}
	return n.rig.Entra.RoundTrip(req)
}

func transportTo(dial func(context.Context) (net.Conn, error), http2 bool) *http.Transport {
	return &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		TLSClientConfig:   &tls.Config{RootCAs: issuer().Pool()},
		ForceAttemptHTTP2: http2,
	}
}

func dialer(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", address) }
}

// run takes a credential through the row. Back-off takes real time here, so recovery is shown with
// a challenge, which back-off does not delay.
func (x netRow) run(t *testing.T, http2 bool) {
	landed := make(chan credential.ExchangeEvent, 100)
	var dials atomic.Int32
	bad := newBroken(t, x, http2)
	r := newRig(t, func(r *rig) {
		dial := dialer(bad.listener.Addr().String())
		if x.dial != nil {
			dial = x.dial
		}
		transport := transportTo(func(ctx context.Context) (net.Conn, error) {
			dials.Add(1)
			return dial(ctx)
		}, http2)
		if x.client != nil {
			x.client(transport)
		}
		t.Cleanup(transport.CloseIdleConnections)
		r.options.Transport = &http.Client{Transport: network{r, transport}}
		r.options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: "https://" + authority}
		r.options.Retry.MaxRetries = -1
		r.options.OnExchange = func(e credential.ExchangeEvent) { landed <- e }
	})
	cached := r.must(vault)
	r.down.Store(true)

	patience := 10 * time.Second
	if x.hangs {
		patience = 300 * time.Millisecond
	}
	ask := func(claims string) (azcore.AccessToken, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return r.ask(ctx, policy.TokenRequestOptions{Scopes: []string{storage}, Claims: claims})
	}
	token, err := ask("")
	served := func() {
		t.Helper()
		again, err := r.get(ended, vault)
		require.NoError(t, err)
		assert.Equal(t, cached, again, "other keys are served from the cache")
	}
	served()
	if x.token {
		require.NoError(t, err)
		again, err := r.get(ended, storage)
		require.NoError(t, err)
		assert.Equal(t, token.Token, again.Token)
		bad.release()
		r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
		return
	}
	x.failure(t, err)
	_, err = ask("")
	x.failure(t, err)
	assert.EqualValues(t, 1, dials.Load(), "callers after the first cause no request")
	if !x.hangs {
		assert.ErrorContains(t, err, "next attempt at")
		assert.False(t, r.key().NextAttempt.IsZero())
	}
	served()

	r.down.Store(false)
	patience = 10 * time.Second
	token, err = ask(challenge)
	require.NoError(t, err, "recovery")
	bad.release()
	for range 3 { // vault, storage, and the challenge
		select {
		case <-landed:
		case <-time.After(10 * time.Second):
			require.Fail(t, "an exchange did not end")
		}
	}
	again, err := r.get(ended, storage)
	require.NoError(t, err)
	assert.Equal(t, token.Token, again.Token, "the late end of the broken exchange has no effect")
	r.finish(append(everywhere[:len(everywhere):len(everywhere)], sinkEvent)...)
}

func runNetRows(t *testing.T, http2 bool, rows []netRow) {
	for _, x := range rows {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			x.run(t, http2)
		})
	}
}

func TestConnections(t *testing.T) {
	dialed := func(err error) func(context.Context) (net.Conn, error) {
		return func(context.Context) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	}
	where := []string{"https://" + authority + "/" + tenantID + "/oauth2/v2.0/token"}
	operation, timeout := as[*net.OpError](), func(err error) bool { e, ok := errors.AsType[net.Error](err); return ok && e.Timeout() }
	runNetRows(t, false, []netRow{
		{name: "refused", refuse: true, want: want{is: []error{syscall.ECONNREFUSED}, as: []func(error) bool{operation}, words: where}},
		{name: "unreachable", dial: dialed(syscall.EHOSTUNREACH), want: want{is: []error{syscall.EHOSTUNREACH}, words: where}},
		{name: "timeout of the dialler", dial: dialed(os.ErrDeadlineExceeded), want: want{as: []func(error) bool{timeout}, words: where}},
		{name: "no such host", dial: dialed(&net.DNSError{Err: "no such host", Name: authority, IsNotFound: true}), want: want{as: []func(error) bool{as[*net.DNSError]()}, words: []string{"no such host", authority}}},
		{name: "broken DNS server", dial: dialed(&net.DNSError{Err: "server misbehaving", Name: authority, Server: "10.0.0.10:53", IsTemporary: true}),
			want: want{as: []func(error) bool{as[*net.DNSError]()}, words: []string{"server misbehaving", authority}}},
		{name: "a dialler that hangs", dial: func(ctx context.Context) (net.Conn, error) {
			select {
			case <-ctx.Done():
			case <-time.After(3 * time.Second): // long after both callers have left
			}
			return nil, os.ErrDeadlineExceeded
		}, hangs: true, want: hung},
		{name: "hang after accept", raw: hang, hangs: true, want: hung},
		{name: "reset on accept", raw: reset, want: want{words: where}},
		{name: "closed on accept", raw: closes, want: want{words: where}},
	})
}

func TestTLS(t *testing.T) {
	at := func(d time.Duration) func(*http.Transport) {
		return func(c *http.Transport) { c.TLSClientConfig.Time = func() time.Time { return time.Now().Add(d) } }
	}
	mistrusted := func(reason func(error) bool, words ...string) want {
		return want{as: []func(error) bool{as[*tls.CertificateVerificationError](), reason}, words: words}
	}
	// An untrusted server, whoever it is, must never see the assertion.
	never := func(*tls.Conn) { panic("a request was sent to a server that is not trusted") }
	runNetRows(t, false, []netRow{
		{name: "unknown CA", request: never, client: func(c *http.Transport) { c.TLSClientConfig.RootCAs = x509.NewCertPool() }, want: mistrusted(as[x509.UnknownAuthorityError](), "unknown authority")},
		{name: "wrong name", request: never, server: func(t *testing.T, c *tls.Config) { c.Certificates = certified(t, "evil.example").Certificates }, want: mistrusted(as[x509.HostnameError](), "evil.example", authority)},
		{name: "expired", request: never, client: at(365 * 24 * time.Hour), want: mistrusted(as[x509.CertificateInvalidError](), "expired")},
		{name: "not valid yet", request: never, client: at(-365 * 24 * time.Hour), want: mistrusted(as[x509.CertificateInvalidError](), "not yet valid")},
		{name: "TLS 1.1", request: never, server: func(_ *testing.T, c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, want: want{words: []string{"protocol version"}}},
		{name: "a client certificate is asked for", request: never, server: func(_ *testing.T, c *tls.Config) {
			// With TLS 1.3, the refusal may meet a closed connection.
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}, want: want{words: []string{"remote error: tls:"}}},
		{name: "plain HTTP", raw: func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			closes(c)
		}, want: want{words: []string{"HTTP"}}},
		{name: "garbage", raw: func(c net.Conn) { _, _ = io.WriteString(c, strings.Repeat("SSH-2.0-OpenSSH\r\n", 3)); closes(c) }, want: want{as: []func(error) bool{as[tls.RecordHeaderError]()}}},
		{name: "half a handshake, then hang", raw: func(c net.Conn) { _, _ = c.Write([]byte{22, 3, 3}); hang(c) }, hangs: true, want: hung},
		{name: "half a handshake, then reset", raw: func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 5)); reset(c) }, want: want{is: []error{syscall.ECONNRESET}}},
		{name: "an alert", raw: func(c net.Conn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 112}); hang(c) }, want: want{words: []string{"unrecognized name"}}},
		{name: "handshake timeout of the transport", raw: hang, client: func(c *http.Transport) { c.TLSHandshakeTimeout = 30 * time.Millisecond }, want: want{words: []string{"TLS handshake timeout"}}},
	})
}

const (
	head200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	long    = "Content-Length: 5000\r\n\r\n"
	chunked = "Transfer-Encoding: chunked\r\n\r\n"
)

func TestHTTP1(t *testing.T) {
	sized := fmt.Sprintf("Content-Length: %d\r\n\r\n", len(success("")))
	cut := func(is error) want { return want{status: 200, is: []error{is}, words: []string{"HTTP 200", authority}} }
	halfClosed := func(c net.Conn) { _ = c.(*tls.Conn).CloseWrite(); hang(c) }
	header := want{words: []string{authority}}
	runNetRows(t, false, []netRow{
		{name: "reset before headers", request: says("", reset), want: want{is: []error{syscall.ECONNRESET}}},
		{name: "closed before headers", request: says("", closes), want: want{is: []error{io.EOF}}},
		{name: "closed in headers", request: says(head200[:30], closes), want: want{is: []error{io.ErrUnexpectedEOF}}},
		{name: "reset after headers", request: says(head200+long, reset), want: want{status: 200, words: []string{"HTTP 200", "connection reset"}}},
		{name: "closed after headers", request: says(head200+long, closes), want: cut(io.ErrUnexpectedEOF)},
		{name: "reset in the body", request: says(head200+long+success(""), reset), want: want{status: 200, words: []string{"HTTP 200"}}},
		{name: "closed in the body", request: says(head200+long+success(""), closes), want: cut(io.ErrUnexpectedEOF)},
		{name: "half-closed in the body", request: says(head200+long+success(""), halfClosed), want: cut(io.ErrUnexpectedEOF)},
		{name: "closed between chunks", request: says(head200+chunked+"5\r\n{\"tok\r\n", closes), want: cut(io.ErrUnexpectedEOF)},
		{name: "no request is answered", request: says("", hang), hangs: true, want: hung},
		{name: "hang in headers", request: says(head200[:30], hang), hangs: true, want: hung},
		{name: "hang after headers", request: says(head200+long, hang), hangs: true, want: hung},
		{name: "hang in the body", request: says(head200+long+success(""), hang), hangs: true, want: hung},
		{name: "dripping body", request: func(c *tls.Conn) {
			_, _ = io.WriteString(c, head200+long)
			// One byte at a time.
			for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) {
				_, err = io.WriteString(c, " ")
			}
		}, hangs: true, want: hung},
		{name: "dripping headers", request: func(c *tls.Conn) {
			_, _ = io.WriteString(c, head200)
			for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) {
				_, err = io.WriteString(c, "X: y\r\n")
			}
		}, hangs: true, want: hung},
		{name: "endless headers", request: func(c *tls.Conn) {
			_, _ = io.WriteString(c, head200)
			for err := error(nil); err == nil; {
				_, err = io.WriteString(c, "X-Filler: "+strings.Repeat("y", 10_000)+"\r\n")
			}
		}, want: want{words: []string{"exceeded"}}},
		{name: "informational replies forever", request: func(c *tls.Conn) {
			for err := error(nil); err == nil; {
				_, err = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nX-Filler: "+strings.Repeat("y", 10_000)+"\r\n\r\n")
			}
		}, want: header},
		{name: "an invalid status line", request: says("HTTP/1.1 yes\r\n\r\n", closes), want: want{words: []string{"malformed HTTP"}}},
		{name: "a Content-Length that is too short", request: says(head200+"Content-Length: 50\r\n\r\n"+success(""), closes), want: want{status: 200, words: []string{"HTTP 200"}}},
		{name: "a protocol switch", request: says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", closes), want: want{status: 101}},
		{name: "a body that ends with the connection", request: says(head200+"Connection: close\r\n\r\n"+success(""), closes), want: want{token: true}},
		{name: "data after the reply", request: says(head200+sized+success("")+"HTTP/1.1 200 OK\r\n\r\n", closes), want: want{token: true}},
		{name: "after an informational reply", request: says("HTTP/1.1 100 Continue\r\n\r\n"+head200+sized+success(""), closes), want: want{token: true}},
	})
}

func TestHTTP2(t *testing.T) {
	lost := want{words: []string{authority}}
	cut := want{status: 200, words: []string{"HTTP 200"}}
	body := []byte(success(""))
	runNetRows(t, true, []netRow{
		{name: "GOAWAY", frames: func(c *http2Conn, _ uint32) { c.goAway(0, noError, "") }, want: lost},
		{name: "GOAWAY after the request", frames: func(c *http2Conn, s uint32) { c.goAway(s, enhanceYourCalm, "too many"); closes(c) }, want: lost},
		{name: "GOAWAY within the reply", frames: func(c *http2Conn, s uint32) {
			c.ok(s)
			c.frame(frameData, 0, s, body)
			c.goAway(s, internalError, "")
			closes(c)
		}, want: cut},
		{name: "GOAWAY, but the reply is finished", frames: func(c *http2Conn, s uint32) {
			c.goAway(s, noError, "")
			c.ok(s)
			c.frame(frameData, 1, s, body)
		}, want: want{token: true}},
		{name: "GOAWAY, then hang", frames: func(c *http2Conn, s uint32) { c.goAway(s, noError, "") }, hangs: true, want: hung},
		{name: "RST_STREAM", frames: func(c *http2Conn, s uint32) { c.reset(s, internalError) }, want: want{words: []string{"INTERNAL_ERROR"}}},
		{name: "RST_STREAM after headers", frames: func(c *http2Conn, s uint32) { c.ok(s); c.reset(s, internalError) }, want: cut},
		{name: "RST_STREAM in the body", frames: func(c *http2Conn, s uint32) {
			c.ok(s)
			c.frame(frameData, 0, s, body)
			c.reset(s, internalError)
		}, want: cut},
		{name: "closed", frames: func(c *http2Conn, _ uint32) { closes(c) }, want: lost},
		{name: "closed in the body", frames: func(c *http2Conn, s uint32) {
			c.ok(s)
			c.frame(frameData, 0, s, body)
			closes(c)
		}, want: cut},
		{name: "reset connection", frames: func(c *http2Conn, _ uint32) { reset(c.Conn) }, want: lost},
		{name: "a frame that is too large", frames: func(c *http2Conn, s uint32) { c.frame(frameData, 0, s, make([]byte, 1<<20)) }, want: lost},
		{name: "HTTP/1.1 on HTTP/2", frames: func(c *http2Conn, _ uint32) { _, _ = io.WriteString(c, head200+long); closes(c) }, want: lost},
		{name: "hang", frames: func(*http2Conn, uint32) {}, hangs: true, want: hung},
		{name: "hang after headers", frames: func(c *http2Conn, s uint32) { c.ok(s) }, hangs: true, want: hung},
		{name: "a handler that aborts", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: lost},
		{name: "a handler that aborts in the body", handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(body)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, want: cut},
	})
}

// TestCompression has bodies that grow when they are decompressed, over both versions of HTTP.
func TestCompression(t *testing.T) {
	pack := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		return b.Bytes()
	}
	sends := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(body)
		}
	}
	good, bomb := pack(success("")), bytes.Repeat(pack(strings.Repeat(" ", 1<<20)), 256)
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			runNetRows(t, http2, []netRow{
				{name: "bomb", handler: sends(bomb), want: want{status: 200, words: []string{"larger than 1048576 bytes"}}},
				{name: "cut short", handler: sends(good[:len(good)-10]), want: want{status: 200, is: []error{io.ErrUnexpectedEOF}}},
				{name: "good", handler: sends(good), want: want{token: true}},
			})
		})
	}
}

// TestProxies has something between the workload and Entra ID that answers instead.
func TestProxies(t *testing.T) {
	through := func(c *http.Transport) {
		c.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128", User: url.UserPassword("user", "proxypassword")})
	}
	answers := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			if req, err := http.ReadRequest(bufio.NewReader(c)); err != nil || req.Method != http.MethodConnect {
				panic("the proxy got a request other than CONNECT")
			}
			_, _ = io.WriteString(c, text)
			closes(c)
		}
	}
	htmlPage := "Content-Type: text/html\r\nContent-Length: " + fmt.Sprint(len(page)) + "\r\n\r\n" + page
	refused := func(words ...string) want { return want{words: words, not: []string{"proxypassword"}} }
	runNetRows(t, false, []netRow{
		{name: "403", raw: answers("HTTP/1.1 403 Forbidden\r\n" + htmlPage), client: through, want: refused("Forbidden")},
		{name: "407", raw: answers("HTTP/1.1 407 Proxy Authentication Required\r\n" + htmlPage), client: through, want: refused("Proxy Authentication Required")},
		{name: "502", raw: answers("HTTP/1.1 502 Bad Gateway\r\n" + htmlPage), client: through, want: refused("Bad Gateway")},
		{name: "a page through a tunnel", raw: answers("HTTP/1.1 200 OK\r\n\r\n" + page), client: through, want: refused(authority)},
		{name: "closed", raw: closes, client: through, want: refused(authority)},
		{name: "hang", raw: hang, client: through, hangs: true, want: hung},
		{name: "no proxy is running", refuse: true, client: through, want: want{is: []error{syscall.ECONNREFUSED}, words: []string{"proxy"}, not: []string{"proxypassword"}}},
		{name: "a trusted one that blocks", request: says("HTTP/1.1 403 Forbidden\r\n"+htmlPage, closes), want: want{status: 403, words: []string{"text/html", "Ask your administrator."}}},
		{name: "a captive portal", request: says("HTTP/1.1 200 OK\r\n"+htmlPage, closes), want: want{status: 200, words: []string{"HTTP 200", "text/html"}}},
		{name: "a portal that redirects", request: says("HTTP/1.1 307 Temporary Redirect\r\nLocation: https://portal.example/login\r\nContent-Length: 0\r\n\r\n", closes),
			want: want{status: 307, words: []string{"portal.example", "not followed"}}},
	})
}

// If the server closed a kept connection meanwhile, that costs a retry, not an error.
func TestIdleConnectionIsClosed(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			var server *httptest.Server
			r := newRig(t, func(r *rig) {
				server = httptest.NewUnstartedServer(r.Entra)
				server.TLS, server.EnableHTTP2 = certified(t, authority), http2
				server.StartTLS()
				t.Cleanup(server.Close)
				r.options.Transport = &http.Client{Transport: transportTo(dialer(server.Listener.Addr().String()), http2)}
				r.options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: "https://" + authority}
				r.options.Retry.RetryDelay = time.Millisecond
			})
			for i := range 10 {
				r.must(fmt.Sprintf("api://%d/.default", i))
				server.CloseClientConnections()
			}
			r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
		})
	}
}
