package exchange_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

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
		o.Transport = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: root.Pool()}}}
		_, err := exchangeAt(t, o)
		assert.NoError(t, err)

		b.CAData = newCA(t).pem // a CA replaces those roots
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
	assert.Equal(t, 1, proxy.connections, "the CA has not changed")

	proxy.present(after.leaf(t, sni))
	replace(t, path, after.pem)
	_, err := c.Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, 2, proxy.connections)

	proxy.present(before.leaf(t, sni)) // this CA is no longer trusted
	replace(t, path, after.pem+"\n")
	_, err = c.Exchange(t.Context(), request())
	assert.ErrorAs(t, err, new(x509.UnknownAuthorityError))
}

// Connections that were verified with the previous CA are closed, not just unused.
func TestConnectionsEndWithTheirCA(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	path := writeCA(t, root.pem)
	c := newClient(t, proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path}))
	_, err := c.Exchange(t.Context(), request())
	require.NoError(t, err)
	replace(t, path, root.pem+newCA(t).pem)
	_, err = c.Exchange(t.Context(), request())
	require.NoError(t, err)
	<-proxy.closed
}

func TestRetryReadsTheCAAgain(t *testing.T) {
	before, after := newCA(t), newCA(t)
	proxy := newTokenProxy(t, before.leaf(t, sni))
	proxy.entra.Enqueue(entratest.Unavailable(0))
	path := writeCA(t, before.pem)
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path})
	o.Retry.MaxRetries, o.Retry.RetryDelay = 1, time.Nanosecond
	o.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
		defer replace(t, path, after.pem)
		defer proxy.present(after.leaf(t, sni))
		return r.Next()
	})}
	_, err := exchangeAt(t, o)
	assert.NoError(t, err)
}

// The kubelet may take a minute to update the file, so immediate retries would not help.
func TestExchangeAfterOneThatMetANewCertificateReadsTheCAAgain(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	path := writeCA(t, newCA(t).pem)
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path})
	o.Retry = policy.RetryOptions{}
	c := newClient(t, o)
	_, err := c.Exchange(t.Context(), request())
	require.ErrorAs(t, err, new(x509.UnknownAuthorityError))
	assert.Equal(t, 1, proxy.connections)

	replace(t, path, root.pem)
	_, err = c.Exchange(t.Context(), request())
	assert.NoError(t, err)
}

// spoil holds the ways in which a CA file can be unusable, briefly or for good.
var spoil = map[string]func(t testing.TB, path string){
	"missing":   func(t testing.TB, path string) { require.NoError(t, os.Remove(path)) },
	"empty":     func(t testing.TB, path string) { replace(t, path, "") },
	"malformed": func(t testing.TB, path string) { replace(t, path, "-----BEGIN CERTIFICATE-----\nMIIB") },
	"directory": func(t testing.TB, path string) {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Mkdir(path, 0o700))
	},
}

func TestSpoiledCAFile(t *testing.T) {
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			root := newCA(t)
			proxy := newTokenProxy(t, root.leaf(t, sni))
			path := writeCA(t, root.pem)
			o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: path})
			c := newClient(t, o)
			spoil(t, path)
			_, err := c.Exchange(t.Context(), request())
			require.NoError(t, err, "the last good CA stays in use")

			proxy.present(newCA(t).leaf(t, sni))
			proxy.CloseClientConnections()
			_, err = c.Exchange(t.Context(), request())
			require.Error(t, err)
			assert.ErrorContains(t, err, path)
			assertFitToPrint(t, err.Error())

			_, err = exchange.NewClient(o)
			require.ErrorContains(t, err, path, "there is no previous CA")
		})
	}
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
