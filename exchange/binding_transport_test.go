package exchange_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// A transport speaks the same HTTP version to the proxy as it would to Entra ID.
func TestHTTPVersionIsTheTransports(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	for name, row := range map[string]struct {
		transport *http.Transport
		want      int
	}{
		"zero":           {&http.Transport{}, 2},
		"forced":         {&http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{}}, 2},
		"TLS configured": {&http.Transport{TLSClientConfig: &tls.Config{}}, 1},
		"switched off":   {&http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem})
			o.Transport = &http.Client{Transport: row.transport}
			_, err := exchangeAt(t, o)
			require.NoError(t, err)
			assert.Equal(t, row.want, proxy.arrivals[len(proxy.arrivals)-1].proto)
		})
	}
}

// pooling returns a transport configured as x/net/http2 would do it. Copies see that only in
// TLSNextProto, where one connection pool serves all of them.
func pooling() *http.Transport {
	var mu sync.Mutex
	pool := map[string]http.RoundTripper{}
	return &http.Transport{
		TLSClientConfig: &tls.Config{NextProtos: []string{"h2", "http/1.1"}},
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{"h2": func(authority string, conn *tls.Conn) http.RoundTripper {
			mu.Lock()
			defer mu.Unlock()
			if pool[authority] != nil {
				_ = conn.Close()
				return pool[authority]
			}
			pool[authority] = &http.Transport{
				ForceAttemptHTTP2: true,
				DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			}
			return pool[authority]
		}},
	}
}

func TestBindingsHaveTheirOwnConnections(t *testing.T) {
	before, after := newCA(t), newCA(t)
	proxy := newTokenProxy(t, before.leaf(t, sni))
	path := writeCA(t, before.pem)
	client := &http.Client{Transport: pooling()}
	binding := func(name string) *exchange.Client {
		o := proxy.binding(exchange.IdentityBinding{SNIName: name, CAFile: path})
		o.Transport = client
		return newClient(t, o)
	}
	last := func() arrival { return proxy.arrivals[len(proxy.arrivals)-1] }
	one := binding(sni)
	_, err := one.Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, sni, last().sni)
	assert.Equal(t, 2, last().proto, "the transport's HTTP/2 stays on")

	other := "client-2.ests.aks.example"
	proxy.present(before.leaf(t, other))
	_, err = binding(other).Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, other, last().sni, "each binding sends its own name")

	proxy.present(before.leaf(t, sni))
	replace(t, path, after.pem)
	_, err = one.Exchange(t.Context(), request())
	assert.ErrorAs(t, err, new(x509.UnknownAuthorityError), "a connection verified with the old CA is not reused")

	proxy.present(after.leaf(t, sni))
	_, err = one.Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, 3, proxy.reached())
}

func TestClientsWithoutATransport(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	for name, transport := range map[string]policy.Transporter{
		"none":                         nil,
		"typed nil":                    (*http.Client)(nil),
		"zero":                         &http.Client{},
		"DefaultTransport of net/http": &http.Client{Transport: http.DefaultTransport},
	} {
		t.Run(name, func(t *testing.T) {
			o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem})
			o.Transport = transport
			_, err := exchangeAt(t, o)
			assert.NoError(t, err)
		})
	}
}

// Agents that instrument whole programs wrap http.DefaultTransport.
func TestWrappedDefaultTransport(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	original := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = original })
	http.DefaultTransport = roundTripper(original.RoundTrip)
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem})
	o.Transport = &http.Client{}
	_, err := exchangeAt(t, o)
	assert.NoError(t, err)

	o.Transport = &http.Client{Transport: http.DefaultTransport}
	_, err = exchange.NewClient(o)
	assert.ErrorContains(t, err, "RoundTripper")
}

func TestTransportThatCannotHoldTheCAIsRefused(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		return tls.Dial(network, address, &tls.Config{RootCAs: root.Pool()})
	}
	direct := &http.Client{Transport: &http.Transport{DialTLSContext: dial}}
	for name, row := range map[string]struct {
		transport policy.Transporter
		why       []string
	}{
		"DialTLSContext": {direct, []string{"DialTLSContext", "dial with DialContext instead"}},
		"DialTLS": {
			//lint:ignore SA1019 it is deprecated, but net/http would still call it
			&http.Client{Transport: &http.Transport{DialTLS: func(network, address string) (net.Conn, error) { return dial(t.Context(), network, address) }}},
			[]string{"dial with DialContext instead"},
		},
		"InsecureSkipVerify": {
			&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
			[]string{"turn InsecureSkipVerify off"},
		},
		"RoundTripper": {
			&http.Client{Transport: roundTripper(direct.Transport.RoundTrip)},
			[]string{"exchange_test.roundTripper", "PerRetryPolicies", "TracingProvider"},
		},
		"Transporter": {doFunc(direct.Do), []string{"exchange_test.doFunc", "use an *http.Client"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, b := range []exchange.IdentityBinding{{CAData: root.pem}, {CAFile: writeCA(t, root.pem)}, {SNIName: sni}} {
				o := proxy.binding(b)
				o.Transport = row.transport
				_, err := exchange.NewClient(o)
				for _, why := range row.why {
					assert.ErrorContains(t, err, why)
				}
			}
			o := proxy.binding(exchange.IdentityBinding{})
			o.Transport = row.transport
			if name == "InsecureSkipVerify" {
				_, err := exchange.NewClient(o)
				assert.ErrorContains(t, err, name, "even if no TLS setting has to hold")
				return
			}
			_, err := exchangeAt(t, o)
			assert.NoError(t, err, "without TLS settings, any transport will do")
		})
	}
}

func TestUsersClientKeepsItsSettings(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	cookies := &jar{}
	client := &http.Client{Jar: cookies}
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem})
	o.Transport = client
	_, err := exchangeAt(t, o)
	require.NoError(t, err)
	assert.Equal(t, 1, cookies.calls)

	client.Timeout = time.Nanosecond
	_, err = exchangeAt(t, o)
	assert.ErrorContains(t, err, "Client.Timeout")
}

func TestUsersTransportKeepsItsSettings(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	proxy.TLS.MaxVersion = tls.VersionTLS12
	dialed := 0
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialed++
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: writeCA(t, root.pem)})
	o.Transport = &http.Client{Transport: transport}
	_, err := exchangeAt(t, o)
	require.NoError(t, err)
	assert.Equal(t, 1, dialed)
	assert.True(t, proxy.arrivals[0].closes)

	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS13}
	_, err = exchangeAt(t, o)
	assert.ErrorContains(t, err, "protocol version")
	assert.Equal(t, &tls.Config{MinVersion: tls.VersionTLS13}, transport.TLSClientConfig)
}

// tunnel starts an HTTP proxy. The returned function lists the requests that it got.
func tunnel(t testing.TB) (*url.URL, func() []string) {
	var mu sync.Mutex
	var through []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		through = append(through, r.Method+" "+r.Host)
		mu.Unlock()
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		down, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, down); _ = up.Close() }()
		go func() { _, _ = io.Copy(down, up); _ = down.Close() }()
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return through
	}
}

func TestProxyOfTheUsersTransportApplies(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	outside, through := tunnel(t)
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem})
	o.Transport = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(outside)}}
	_, err := exchangeAt(t, o)
	require.NoError(t, err)
	assert.Equal(t, []string{"CONNECT " + proxy.Listener.Addr().String()}, through())
}

// This needs a new process, because net/http reads the environment only once.
func TestProxyOfTheEnvironmentDoesNotApply(t *testing.T) {
	if os.Getenv("HTTPS_PROXY_IN_CHILD") == "" {
		outside, through := tunnel(t)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyOfTheEnvironmentDoesNotApply$")
		child.Env = append(os.Environ(), "HTTPS_PROXY_IN_CHILD=1", "NO_PROXY=", "no_proxy=", "https_proxy=", "HTTPS_PROXY="+outside.String())
		output, err := child.CombinedOutput()
		require.NoError(t, err, string(output))
		require.Len(t, through(), 1, "only the request to the authority")
		return
	}
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	_, port, err := net.SplitHostPort(proxy.Listener.Addr().String())
	require.NoError(t, err)
	// net/http never uses a proxy for loopback addresses, but does for this one.
	here := "https://0.0.0.0:" + port
	for _, transport := range []policy.Transporter{nil, &http.Client{}, &http.Client{Transport: http.DefaultTransport}} {
		o := proxy.binding(exchange.IdentityBinding{TokenProxy: here + "/base", SNIName: sni, CAData: root.pem})
		o.Transport = transport
		_, err = exchangeAt(t, o)
		require.NoError(t, err)
	}
	o := once(nil)
	o.Authority = here
	_, err = exchangeAt(t, o)
	require.ErrorAs(t, err, new(x509.UnknownAuthorityError))
}
