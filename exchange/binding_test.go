package exchange_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const sni = "client-1.ests.aks.example"

// ca is a certificate authority.
type ca struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

func newCA(t testing.TB) *ca {
	t.Helper()
	c := &ca{}
	c.certificate, c.key = certify(t, nil, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	c.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate.Raw}))
	return c
}

// leaf returns a server's certificate for 127.0.0.1, 0.0.0.0 and the names.
func (c *ca) leaf(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	certificate, key := certify(t, c, &x509.Certificate{DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4zero}})
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

// pool returns the roots of a client that trusts the authority.
func (c *ca) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.certificate)
	return pool
}

func certify(t testing.TB, parent *ca, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate, key
}

// arrival is what the proxy sees of a request, besides what Entra ID does.
type arrival struct {
	host, path, sni string
	proto           int
	closes          bool
}

// tokenProxy is the proxy of an identity binding: a fake Entra ID below /base.
type tokenProxy struct {
	*httptest.Server
	entra entratest.Server

	mu          sync.Mutex
	certificate tls.Certificate
	arrivals    []arrival
	connections int
}

func newTokenProxy(t testing.TB, certificate tls.Certificate) *tokenProxy {
	p := &tokenProxy{certificate: certificate}
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
	p.Config.ErrorLog = log.New(io.Discard, "", 0) // clients refuse it here
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// present makes the proxy present another certificate from now on.
func (p *tokenProxy) present(certificate tls.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.certificate = certificate
}

// binding returns options for one attempt through the proxy.
func (p *tokenProxy) binding(b exchange.IdentityBinding) *exchange.ClientOptions {
	if b.TokenProxy == "" {
		b.TokenProxy = p.URL + "/base"
	}
	o := once(nil)
	o.IdentityBinding = &b
	return o
}

// reached counts the requests that came through.
func (p *tokenProxy) reached() int { return len(p.entra.Requests()) }

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

func TestIdentityBinding(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	for name, b := range map[string]exchange.IdentityBinding{
		"CA from data": {SNIName: sni, CAData: root.pem},
		"CA from file": {SNIName: sni, CAFile: writeCA(t, root.pem)},
		"bundle":       {SNIName: sni, CAData: newCA(t).pem + "\n" + root.pem},
	} {
		t.Run(name, func(t *testing.T) {
			before := proxy.reached()
			token, err := exchangeAt(t, proxy.binding(b))
			require.NoError(t, err)
			require.NotEmpty(t, token.Token)
			require.Equal(t, before+1, proxy.reached())
			r := proxy.entra.Requests()[before]
			assert.Equal(t, assertion, r.Assertion)
			assert.Equal(t, clientID, r.ClientID)
			assert.Equal(t, arrival{"login.microsoftonline.com", "/base/" + tenantID + "/oauth2/v2.0/token", sni, 2, false}, proxy.arrivals[before])
		})
	}
}

func TestAuthorityBehindTheProxy(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t))
	const tail = "/" + tenantID + "/oauth2/v2.0/token"
	for i, row := range []struct{ path, authority, region, wantHost, wantPath string }{
		{"", "", "", "login.microsoftonline.com", tail},
		{"/", "", "", "login.microsoftonline.com", tail},
		{"/base/", "", "", "login.microsoftonline.com", "/base" + tail},
		{"/a%20b", "", "", "login.microsoftonline.com", "/a b" + tail},
		{"/base", "https://entra.example:8443/sts", "", "entra.example:8443", "/base/sts" + tail},
		{"/base", "", "westeurope", "westeurope.login.microsoft.com", "/base" + tail},
	} {
		o := proxy.binding(exchange.IdentityBinding{TokenProxy: proxy.URL + row.path, CAData: root.pem})
		o.Authority, o.Region = row.authority, row.region
		_, err := exchangeAt(t, o)
		require.Len(t, proxy.arrivals, i+1, "%v", err)
		assert.Equal(t, row.wantHost, proxy.arrivals[i].host)
		assert.Equal(t, row.wantPath, proxy.arrivals[i].path)
	}
}

func TestNameOfTheProxyIsVerified(t *testing.T) {
	root := newCA(t)
	for name, row := range map[string]struct {
		host, sni, certificate, refusal string
	}{
		"SNI":                     {"127.0.0.1", sni, sni, ""},
		"SNI instead of the host": {"proxy.example", sni, sni, ""},
		"host":                    {"proxy.example", "", "proxy.example", ""},
		"address":                 {"127.0.0.1", "", "anything.example", ""},
		"another SNI":             {"127.0.0.1", sni, "client-2.ests.aks.example", "not " + sni},
		"only the host":           {"proxy.example", sni, "proxy.example", "not " + sni},
		"another host":            {"proxy.example", "", sni, "not proxy.example"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := newTokenProxy(t, root.leaf(t, row.certificate))
			_, port, err := net.SplitHostPort(proxy.Listener.Addr().String())
			require.NoError(t, err)
			o := proxy.binding(exchange.IdentityBinding{TokenProxy: "https://" + net.JoinHostPort(row.host, port) + "/base", SNIName: row.sni, CAData: root.pem})
			o.Transport = &http.Client{Transport: leadingTo(proxy)}
			_, err = exchangeAt(t, o)
			if row.refusal == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorAs(t, err, new(x509.HostnameError))
			assert.ErrorContains(t, err, row.refusal)
			assert.ErrorContains(t, err, net.JoinHostPort(row.host, port))
			assert.Zero(t, proxy.reached())
		})
	}
}

// leadingTo returns a transport for which every host is the proxy.
func leadingTo(p *tokenProxy) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, p.Listener.Addr().String())
	}}
}

func TestProxyOfAnotherCAIsRefused(t *testing.T) {
	proxy := newTokenProxy(t, newCA(t).leaf(t, sni))
	for name, b := range map[string]exchange.IdentityBinding{
		"data":         {SNIName: sni, CAData: newCA(t).pem},
		"file":         {SNIName: sni, CAFile: writeCA(t, newCA(t).pem)},
		"system roots": {SNIName: sni},
		"only a proxy": {},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := exchangeAt(t, proxy.binding(b))
			require.ErrorAs(t, err, new(x509.UnknownAuthorityError))
			assert.ErrorContains(t, err, "certificate signed by unknown authority")
			assert.ErrorContains(t, err, proxy.URL+"/base/")
			assert.NotContains(t, err.Error(), "CA file")
			assert.Zero(t, proxy.reached())
		})
	}
}

func TestUsersRootsHoldWithoutACA(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	for _, b := range []exchange.IdentityBinding{{}, {SNIName: sni}} {
		o := proxy.binding(b)
		o.Transport = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: root.pool()}}}
		_, err := exchangeAt(t, o)
		assert.NoError(t, err)

		b.CAData = newCA(t).pem // and not with one
		o.IdentityBinding.CAData = b.CAData
		_, err = exchangeAt(t, o)
		assert.ErrorAs(t, err, new(x509.UnknownAuthorityError))
	}
}

func TestRotatedCAIsPickedUp(t *testing.T) {
	before, after := newCA(t), newCA(t)
	proxy := newTokenProxy(t, before.leaf(t, sni))
	path := writeCA(t, before.pem)
	c := newClient(t, proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path}))
	for range 2 {
		_, err := c.Exchange(t.Context(), request())
		require.NoError(t, err)
	}
	assert.Equal(t, 1, proxy.connections, "as long as the CA is the same")

	proxy.present(after.leaf(t, sni))
	replace(t, path, after.pem)
	_, err := c.Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, 2, proxy.connections)

	proxy.present(before.leaf(t, sni)) // is no longer trusted
	replace(t, path, after.pem+"\n")
	_, err = c.Exchange(t.Context(), request())
	assert.ErrorAs(t, err, new(x509.UnknownAuthorityError))
}

// The connection that was verified with the old CA is not used any more.
func TestConnectionsEndWithTheirCA(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	path := writeCA(t, root.pem)
	c := newClient(t, proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path}))
	_, err := c.Exchange(t.Context(), request())
	require.NoError(t, err)
	replace(t, path, newCA(t).pem)
	_, err = c.Exchange(t.Context(), request())
	assert.ErrorAs(t, err, new(x509.UnknownAuthorityError))
}

func TestRetryReadsTheCAAgain(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	path := writeCA(t, newCA(t).pem)
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path})
	o.Retry.MaxRetries, o.Retry.RetryDelay = 1, time.Nanosecond
	o.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
		defer replace(t, path, root.pem)
		return r.Next()
	})}
	_, err := exchangeAt(t, o)
	assert.NoError(t, err)
}

// spoil are the ways in which a CA file is not one, for a moment or for good.
var spoil = map[string]func(t testing.TB, path string){
	"missing":   func(t testing.TB, path string) { require.NoError(t, os.Remove(path)) },
	"empty":     func(t testing.TB, path string) { replace(t, path, "") },
	"malformed": func(t testing.TB, path string) { replace(t, path, "-----BEGIN CERTIFICATE-----\nMIIB") },
	"directory": func(t testing.TB, path string) {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Mkdir(path, 0o700))
	},
}

func TestSpoiltCAFile(t *testing.T) {
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			root := newCA(t)
			proxy := newTokenProxy(t, root.leaf(t, sni))
			path := writeCA(t, root.pem)
			o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path})
			c := newClient(t, o)
			spoil(t, path)
			_, err := c.Exchange(t.Context(), request())
			require.NoError(t, err, "the CA read before is good")

			proxy.present(newCA(t).leaf(t, sni))
			proxy.CloseClientConnections()
			_, err = c.Exchange(t.Context(), request())
			require.Error(t, err)
			assert.ErrorContains(t, err, path)
			assertFitToPrint(t, err.Error())

			_, err = exchange.NewClient(o)
			require.ErrorContains(t, err, path, "there is none from before")
		})
	}
}

func TestMalformedIdentityBindingIsRefused(t *testing.T) {
	root := newCA(t).pem
	const proxy = "https://proxy.example"
	for name, row := range map[string]struct {
		binding exchange.IdentityBinding
		why     string
	}{
		"no proxy":         {exchange.IdentityBinding{CAData: root}, "token proxy"},
		"http":             {exchange.IdentityBinding{TokenProxy: "http://proxy.example"}, "not an https URL"},
		"no scheme":        {exchange.IdentityBinding{TokenProxy: "proxy.example"}, "not an https URL"},
		"no host":          {exchange.IdentityBinding{TokenProxy: "https:///base"}, "not an https URL"},
		"only a port":      {exchange.IdentityBinding{TokenProxy: "https://:443"}, "not an https URL"},
		"userinfo":         {exchange.IdentityBinding{TokenProxy: "https://user:hunter2@proxy.example"}, "more than a host and a path"},
		"query":            {exchange.IdentityBinding{TokenProxy: proxy + "?a=b"}, "more than a host and a path"},
		"empty query":      {exchange.IdentityBinding{TokenProxy: proxy + "?"}, "more than a host and a path"},
		"fragment":         {exchange.IdentityBinding{TokenProxy: proxy + "#a"}, "more than a host and a path"},
		"no URL":           {exchange.IdentityBinding{TokenProxy: proxy + "/%zz"}, "not a URL"},
		"control":          {exchange.IdentityBinding{TokenProxy: proxy + "/\n"}, "not a URL"},
		"two CAs":          {exchange.IdentityBinding{TokenProxy: proxy, CAFile: writeCA(t, root), CAData: root}, "give one"},
		"data without PEM": {exchange.IdentityBinding{TokenProxy: proxy, CAData: "MIIB"}, "no certificate in PEM"},
		"file without PEM": {exchange.IdentityBinding{TokenProxy: proxy, CAFile: writeCA(t, "MIIB")}, "no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := exchange.NewClient(&exchange.ClientOptions{IdentityBinding: &row.binding})
			var wrong *exchange.OptionError
			require.ErrorAs(t, err, &wrong)
			assert.Equal(t, "IdentityBinding", wrong.Option)
			assert.ErrorContains(t, err, row.why)
			assert.NotContains(t, err.Error(), "hunter2")
			assertFitToPrint(t, err.Error())
		})
	}
}

func TestHandshakeWithWhatIsNoTLSServer(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	o := once(nil)
	o.IdentityBinding = &exchange.IdentityBinding{TokenProxy: strings.Replace(plain.URL, "http:", "https:", 1)}
	_, err := exchangeAt(t, o)
	require.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
	assert.ErrorContains(t, err, strings.TrimPrefix(plain.URL, "http://"))
}

// Any of a user's transports may speak HTTP/2 to the proxy, or not, as it would to Entra ID.
func TestHTTPVersionIsTheTransports(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	for name, row := range map[string]struct {
		transport *http.Transport
		want      int
	}{
		"zero":             {&http.Transport{}, 2},
		"forced":           {&http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{}}, 2},
		"TLS of the users": {&http.Transport{TLSClientConfig: &tls.Config{}}, 1},
		"switched off":     {&http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}, 1},
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

// Agents that instrument a whole program do so.
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
		return tls.Dial(network, address, &tls.Config{RootCAs: root.pool()})
	}
	direct := &http.Client{Transport: &http.Transport{DialTLSContext: dial}}
	for name, row := range map[string]struct {
		transport policy.Transporter
		why       []string
	}{
		"DialTLSContext": {direct, []string{"DialTLSContext", "dial with DialContext instead"}},
		"DialTLS": {
			//lint:ignore SA1019 deprecated, but it would be used
			&http.Client{Transport: &http.Transport{DialTLS: func(network, address string) (net.Conn, error) { return dial(t.Context(), network, address) }}},
			[]string{"dial with DialContext instead"},
		},
		"InsecureSkipVerify": {&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}, []string{"InsecureSkipVerify", "leave it off"}},
		"RoundTripper":       {&http.Client{Transport: roundTripper(direct.Transport.RoundTrip)}, []string{"exchange_test.roundTripper", "PerRetryPolicies", "TracingProvider"}},
		"Transporter":        {doFunc(direct.Do), []string{"exchange_test.doFunc", "give an *http.Client"}},
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
				assert.ErrorContains(t, err, name, "even where nothing is to be held")
				return
			}
			_, err := exchangeAt(t, o)
			assert.NoError(t, err, "where nothing is to be held, it stays")
		})
	}
}

func TestUsersClientKeepsItsSettings(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	cookies := &jar{}
	users := &http.Client{Jar: cookies}
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem})
	o.Transport = users
	_, err := exchangeAt(t, o)
	require.NoError(t, err)
	assert.Equal(t, 1, cookies.asked)

	users.Timeout = time.Nanosecond
	_, err = exchangeAt(t, o)
	assert.ErrorContains(t, err, "Client.Timeout")
}

func TestUsersTransportKeepsItsSettings(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	proxy.TLS.MaxVersion = tls.VersionTLS12
	dialled := 0
	users := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled++
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: writeCA(t, root.pem)})
	o.Transport = &http.Client{Transport: users}
	_, err := exchangeAt(t, o)
	require.NoError(t, err)
	assert.Equal(t, 1, dialled)
	assert.True(t, proxy.arrivals[0].closes)

	users.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS13}
	_, err = exchangeAt(t, o)
	assert.ErrorContains(t, err, "protocol version")
	assert.Equal(t, &tls.Config{MinVersion: tls.VersionTLS13}, users.TLSClientConfig)
}

// tunnel is an HTTP proxy. It counts what goes through.
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

// net/http reads the environment once, so this takes a process of its own.
func TestProxyOfTheEnvironmentDoesNotApply(t *testing.T) {
	if os.Getenv("HTTPS_PROXY_IN_CHILD") == "" {
		outside, through := tunnel(t)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyOfTheEnvironmentDoesNotApply$")
		child.Env = append(os.Environ(), "HTTPS_PROXY_IN_CHILD=1", "NO_PROXY=", "no_proxy=", "https_proxy=", "HTTPS_PROXY="+outside.String())
		output, err := child.CombinedOutput()
		require.NoError(t, err, string(output))
		require.Len(t, through(), 1, "only what goes to Entra ID itself")
		return
	}
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	_, port, err := net.SplitHostPort(proxy.Listener.Addr().String())
	require.NoError(t, err)
	here := "https://0.0.0.0:" + port // for which net/http makes no exception, as it does for loopback addresses
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

func TestRedirectOfTheProxyIsNotFollowed(t *testing.T) {
	root := newCA(t)
	second := &thief{}
	elsewhere := httptest.NewTLSServer(second)
	t.Cleanup(elsewhere.Close)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	for _, status := range []int{302, 307, 308} {
		for _, transport := range []policy.Transporter{nil, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}} {
			proxy.entra.Enqueue(entratest.Reply{Status: status, Header: http.Header{"Location": {elsewhere.URL}}})
			o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: elsewhere.Certificate().Raw}))})
			o.Transport = transport
			_, err := exchangeAt(t, o)
			var e *exchange.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, status, e.StatusCode)
			assert.Empty(t, second.requests())
		}
	}
}

func TestPoliciesApplyBeforeTheProxy(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	inject := func(name string) []policy.Policy {
		return []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
			assert.Equal(t, "login.microsoftonline.com", r.Raw().URL.Host)
			r.Raw().Header.Set(name, "injected")
			return r.Next()
		})}
	}
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem})
	o.PerCallPolicies, o.PerRetryPolicies = inject("X-Per-Call"), inject("X-Per-Retry")
	_, err := exchangeAt(t, o)
	require.NoError(t, err)
	r := proxy.entra.Requests()[0]
	assert.Equal(t, "injected", r.Header.Get("X-Per-Call"))
	assert.Equal(t, "injected", r.Header.Get("X-Per-Retry"))
}

func TestOptionsOfABindingAreNotChanged(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	pooled := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "mine.example"}}
	users := &http.Client{Transport: pooled}
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: writeCA(t, root.pem)})
	o.Transport = users
	before := *o.IdentityBinding
	c := newClient(t, o)
	_, err := c.Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, before, *o.IdentityBinding)
	assert.Same(t, users, o.Transport)
	assert.Equal(t, &http.Client{Transport: pooled}, users)
	assert.Equal(t, &tls.Config{ServerName: "mine.example"}, pooled.TLSClientConfig)

	*o.IdentityBinding = exchange.IdentityBinding{} // nor heeded once they are
	_, err = c.Exchange(t.Context(), request())
	assert.NoError(t, err)

	o.Transport = nil
	_, _ = exchange.NewClient(o)
	assert.Nil(t, o.Transport)
}

func TestExchangesDuringRotations(t *testing.T) {
	root, other := newCA(t), newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	path := writeCA(t, root.pem)
	c := newClient(t, proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path}))
	done := make(chan struct{})
	var rotating, exchanging sync.WaitGroup
	rotating.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				replace(t, path, []string{root.pem + other.pem, "", other.pem + root.pem, "malformed", root.pem}[i%5])
			}
		}
	})
	for range 50 {
		exchanging.Go(func() {
			for range 4 {
				_, err := c.Exchange(t.Context(), request())
				assert.NoError(t, err)
			}
		})
	}
	exchanging.Wait()
	close(done)
	rotating.Wait()
	assert.Equal(t, 200, proxy.reached())
}
