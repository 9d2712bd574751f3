package exchange_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// refusing starts an HTTP proxy that answers every CONNECT with the status line. It returns its URL
// and a counter of CONNECTs.
func refusing(t testing.TB, status string) (*url.URL, *atomic.Int32) {
	var connects atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connects.Add(1)
		hijack(t, w, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	u.User = url.UserPassword("pat", "proxy-password")
	return u, &connects
}

// through returns options with a user's client that goes through the proxy.
func through(proxy *url.URL) *exchange.ClientOptions {
	o := &exchange.ClientOptions{}
	o.Retry.RetryDelay = time.Nanosecond
	o.Transport = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	return o
}

func TestProxyThatRefusesToConnect(t *testing.T) {
	for status, tries := range map[string]int32{
		"403 Forbidden":                     1,
		"407 Proxy Authentication Required": 1,
		"405 Method Not Allowed":            1,
		"429 Too Many Requests":             4,
		"502 Bad Gateway":                   4,
		"503 Service Unavailable":           4,
	} {
		t.Run(status, func(t *testing.T) {
			proxy, connects := refusing(t, status)
			_, err := exchangeAt(t, through(proxy))
			require.ErrorContains(t, err, `Post "https://login.microsoftonline.com/`+tenantID+`/oauth2/v2.0/token": `+
				"through the proxy "+proxy.Host+": CONNECT was refused with HTTP "+status)
			assert.Equal(t, tries, connects.Load())
			assert.NotErrorAs(t, err, new(*exchange.Error), "Entra ID did not answer")
			for _, printed := range printings(err) {
				assert.NotContains(t, printed, "pat:")
				assert.NotContains(t, printed, "proxy-password")
			}
		})
	}
}

// net/http reports only the status text, which could come from anything.
func TestProxyWithItsOwnWordsIsNamed(t *testing.T) {
	proxy, _ := refusing(t, "403 Blocked by policy 7")
	_, err := exchangeAt(t, through(proxy))
	assert.ErrorContains(t, err, "through the proxy "+proxy.Host+": Blocked by policy 7")
}

// The default client sees the status itself. This needs a new process, because net/http reads the
// environment only once.
func TestProxyOfTheEnvironmentThatRefusesToConnect(t *testing.T) {
	if os.Getenv("REFUSED_IN_CHILD") != "" {
		_, err := exchangeAt(t, &exchange.ClientOptions{})
		fmt.Println(err)
		return
	}
	for status, tries := range map[string]int32{"407 Who are you": 1, "403 Blocked by policy 7": 1} {
		proxy, connects := refusing(t, status)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyOfTheEnvironmentThatRefusesToConnect$")
		child.Env = append(os.Environ(), "REFUSED_IN_CHILD=1", "NO_PROXY=", "no_proxy=", "https_proxy=", "HTTPS_PROXY="+proxy.String())
		output, err := child.CombinedOutput()
		require.NoError(t, err, string(output))
		assert.Contains(t, string(output), "through the proxy "+proxy.Host+": CONNECT was refused with HTTP "+status[:3])
		assert.NotContains(t, string(output), "proxy-password")
		assert.Equal(t, tries, connects.Load())
	}
}

func TestUntrustedCertificateIsFinal(t *testing.T) {
	server, o := serve(t, true, func(http.ResponseWriter, *http.Request) { t.Error("the assertion was sent") })
	o.Retry = policy.RetryOptions{RetryDelay: time.Nanosecond}
	outside, connects := tunnel(t)
	reject := func(err error) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return err }}
	}
	for name, transport := range map[string]*http.Transport{
		"unknown authority": {},
		"another name":      {TLSClientConfig: &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "other.test"}},
		"custom, authority": {TLSClientConfig: reject(x509.UnknownAuthorityError{})},
		"custom, name":      {TLSClientConfig: reject(x509.HostnameError{Certificate: server.Certificate(), Host: "other.test"})},
		"custom, expired":   {TLSClientConfig: reject(x509.CertificateInvalidError{Cert: server.Certificate(), Reason: x509.Expired})},
		"of a proxy":        {Proxy: http.ProxyURL(outside)},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			o.Transport = &http.Client{Transport: transport}
			o.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
				tries++
				return r.Next()
			})}
			_, err := exchangeAt(t, o)
			require.ErrorContains(t, err, "x509: ")
			assert.Equal(t, 1, tries)
			assert.Equal(t, transport.Proxy != nil, strings.Contains(err.Error(), "through the proxy "+outside.Host+": tls: "), err.Error())
		})
	}
	assert.Len(t, connects(), 1)
}

func TestOtherErrorsThroughAProxyNameItToo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	o := through(&url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword("pat", "proxy-password")})
	o.Retry.MaxRetries = -1
	_, err = exchangeAt(t, o)
	require.ErrorContains(t, err, "through the proxy "+l.Addr().String()+": proxyconnect tcp: ")
	assert.NotContains(t, err.Error(), "proxy-password")
	dialed, ok := errors.AsType[*net.OpError](err)
	require.True(t, ok)
	assert.Equal(t, "proxyconnect", dialed.Op)
}
