package entratest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// bound returns a valid form with a token for the proxy.
func bound(t testing.TB, c *entratest.Cluster) url.Values {
	t.Helper()
	raw, err := c.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout", Audiences: []string{"api://AKSIdentityBinding"}})
	require.NoError(t, err)
	return with(validForm(t), "client_assertion", raw)
}

// proxied returns a request to the proxy with the authority's host.
func proxied(t testing.TB, target string, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Host = "login.microsoftonline.com"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestTokenProxyForwards(t *testing.T) {
	for path, target := range map[string]string{
		"":             "/contoso/oauth2/v2.0/token",
		"/":            "/contoso/oauth2/v2.0/token",
		"/proxy":       "/proxy/contoso/oauth2/v2.0/token",
		"/proxy/deep/": "/proxy/deep/contoso/oauth2/v2.0/token",
	} {
		var entra entratest.Server
		proxy := &entratest.TokenProxy{Server: &entra, Path: path}
		r := proxied(t, "https://proxy.example"+target, bound(t, new(entratest.Cluster)))
		reply, err := proxy.Do(r)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, reply.StatusCode, read(t, reply))
		assert.Same(t, r, reply.Request)
		seen := entra.Requests()[0]
		assert.Equal(t, "login.microsoftonline.com", seen.Host)
		assert.Equal(t, "/contoso/oauth2/v2.0/token", seen.Path)
		assert.Equal(t, clientID, seen.ClientID)
		assert.Equal(t, target, r.URL.Path, "the caller's request is unchanged")
	}
}

func TestTokenProxyRefuses(t *testing.T) {
	cluster := new(entratest.Cluster)
	good := "https://proxy.example/proxy/contoso/oauth2/v2.0/token"
	for name, row := range map[string]struct {
		target string
		form   url.Values
		status int
	}{
		"nothing wrong":    {good, bound(t, cluster), 200},
		"another audience": {good, inCluster(t, cluster), 403},
		"no assertion":     {good, url.Values{}, 403},
		"not a JWT":        {good, with(validForm(t), "client_assertion", "x"), 403},
		"more than a MiB":  {good, with(bound(t, cluster), "x", strings.Repeat("x", 1<<20)), 403},
		"outside path":     {"https://proxy.example/contoso/oauth2/v2.0/token", bound(t, cluster), 404},
		"path as a prefix": {"https://proxy.example/proxyless/contoso/oauth2/v2.0/token", bound(t, cluster), 404},
		"unknown endpoint": {"https://proxy.example/proxy/contoso", bound(t, cluster), 404},
	} {
		t.Run(name, func(t *testing.T) {
			var entra entratest.Server
			proxy := &entratest.TokenProxy{Server: &entra, Path: "/proxy"}
			reply, err := proxy.Do(proxied(t, row.target, row.form))
			require.NoError(t, err)
			text := read(t, reply)
			assert.Equal(t, row.status, reply.StatusCode, text)
			recorder := httptest.NewRecorder()
			proxy.ServeHTTP(recorder, proxied(t, row.target, row.form))
			assert.Equal(t, row.status, recorder.Code)
			if row.status == http.StatusForbidden {
				assert.Contains(t, text, "api://AKSIdentityBinding")
				assert.Empty(t, entra.Requests(), "Entra receives no request")
			}
		})
	}
}

func TestTokenProxyDoBehavesLikeATransport(t *testing.T) {
	var entra entratest.Server
	proxy := &entratest.TokenProxy{Server: &entra}
	r := proxied(t, tokenURL, nil)
	r.Body = nil
	reply, err := proxy.Do(r)
	require.NoError(t, err)
	assert.Equal(t, http.StatusForbidden, reply.StatusCode)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = proxy.Do(proxied(t, tokenURL, bound(t, new(entratest.Cluster))).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	broken := errors.New("connection reset")
	entra.Enqueue(entratest.Reply{Err: broken})
	_, err = proxy.Do(proxied(t, tokenURL, bound(t, new(entratest.Cluster))))
	assert.Equal(t, broken, err)
}

func TestTokenProxyForAStrictServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var entra entratest.Server
		var cluster entratest.Cluster
		c := clusterCredential()
		c.Audiences = []string{"api://AKSIdentityBinding"}
		require.NoError(t, entra.TrustCluster(&cluster, c))
		proxy := &entratest.TokenProxy{Server: &entra}
		reply, err := proxy.Do(proxied(t, tokenURL, bound(t, &cluster)))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, reply.StatusCode)
		assert.Equal(t, 700212, codeOf(t, &entra, inCluster(t, &cluster)))
	})
}

func TestTokenProxyOverTLSWithAServerName(t *testing.T) {
	var entra entratest.Server
	ca := newCA(t)
	web := serveTLS(t, ca, &entratest.TokenProxy{Server: &entra, Path: "/proxy"}, "sni.example")
	request := func() *http.Request {
		return proxied(t, web.URL+"/proxy/contoso/oauth2/v2.0/token", bound(t, new(entratest.Cluster)))
	}
	reply, err := clientOf(t, ca, "sni.example").Do(request())
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, reply.StatusCode, read(t, reply))
	assert.Equal(t, "login.microsoftonline.com", entra.Requests()[0].Host)

	_, err = clientOf(t, ca, "").Do(request())
	assert.ErrorContains(t, err, "127.0.0.1", "the certificate covers only the name")
}

// The proxy's CA changes while it runs. A client with the old CA must read the file again.
func TestTokenProxyWithARotatedCA(t *testing.T) {
	var entra entratest.Server
	before, after := newCA(t), newCA(t)
	var current atomic.Pointer[tls.Certificate]
	rotate := func(ca *entratest.CA) {
		certificate, err := ca.Certificate("sni.example")
		require.NoError(t, err)
		current.Store(&certificate)
	}
	rotate(before)
	web := httptest.NewUnstartedServer(&entratest.TokenProxy{Server: &entra})
	web.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*current.Load()}}, nil
	}}
	web.StartTLS()
	defer web.Close()
	request := func() *http.Request {
		return proxied(t, web.URL+"/contoso/oauth2/v2.0/token", bound(t, new(entratest.Cluster)))
	}
	reply, err := clientOf(t, before, "sni.example").Do(request())
	require.NoError(t, err)
	reply.Body.Close()

	rotate(after)
	_, err = clientOf(t, before, "sni.example").Do(request())
	require.ErrorContains(t, err, "unknown authority")
	reply, err = clientOf(t, after, "sni.example").Do(request())
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, reply.StatusCode, read(t, reply))
}
