package exchange_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const sni = "client-1.ests.aks.example"

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
		"missing file":     {exchange.IdentityBinding{TokenProxy: proxy, CAFile: `C:\missing\ca.crt`}, "CA file `C:\\missing\\ca.crt`: "},
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

func TestRedirectOfTheProxyIsNotFollowed(t *testing.T) {
	root := newCA(t)
	second := &thief{}
	elsewhere := httptest.NewTLSServer(second)
	t.Cleanup(elsewhere.Close)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	for _, status := range []int{302, 307, 308} {
		for _, transport := range []policy.Transporter{nil, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}} {
			proxy.entra.Enqueue(entratest.Reply{Status: status, Header: http.Header{"Location": {elsewhere.URL}}})
			o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem + pemOf(elsewhere)})
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
			r.Raw().Host = "" // azcore then uses the URL's host
			return r.Next()
		})}
	}
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAData: root.pem})
	o.PerCallPolicies, o.PerRetryPolicies = inject("X-Per-Call"), inject("X-Per-Retry")
	_, err := exchangeAt(t, o)
	require.NoError(t, err)
	assert.Equal(t, "login.microsoftonline.com", proxy.arrivals[0].host)
	r := proxy.entra.Requests()[0]
	assert.Equal(t, "injected", r.Header.Get("X-Per-Call"))
	assert.Equal(t, "injected", r.Header.Get("X-Per-Retry"))
}

func TestOptionsOfABindingAreNotChanged(t *testing.T) {
	root := newCA(t)
	proxy := newTokenProxy(t, root.leaf(t, sni))
	pooled := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "mine.example"}}
	client := &http.Client{Transport: pooled}
	o := proxy.binding(exchange.IdentityBinding{SNIName: sni, CAFile: writeCA(t, root.pem)})
	o.Transport = client
	before := *o.IdentityBinding
	c := newClient(t, o)
	_, err := c.Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, before, *o.IdentityBinding)
	assert.Same(t, client, o.Transport)
	assert.Equal(t, &http.Client{Transport: pooled}, client)
	assert.Equal(t, &tls.Config{ServerName: "mine.example"}, pooled.TLSClientConfig)

	*o.IdentityBinding = exchange.IdentityBinding{} // later changes have no effect
	_, err = c.Exchange(t.Context(), request())
	assert.NoError(t, err)

	o.Transport = nil
	_, _ = exchange.NewClient(o)
	assert.Nil(t, o.Transport)
}
