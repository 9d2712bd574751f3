package exchange

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/internal/regularfile"
)

// IdentityBinding sends token requests to the in-cluster proxy of AKS identity bindings instead of to the authority, whose
// host they keep in their Host header (https://learn.microsoft.com/azure/aks/identity-bindings-concepts).
type IdentityBinding struct {
	// TokenProxy is the proxy's https URL; its path is put before the authority's. Required.
	TokenProxy string

	// SNIName is the server name to ask for, and to verify, in the TLS handshake. Default: the proxy's host.
	SNIName string

	// CAFile or CAData, not both, hold the certificates, in PEM, that the proxy's is verified with. Default: the transport's, as a rule
	// the system's. The file is read anew for each request, so that a rotated one is picked up; while it is empty, missing
	// or malformed, what was read last is used.
	CAFile, CAData string
}

// bindingTransport is the transport to the proxy. It is safe for concurrent use.
type bindingTransport struct {
	proxy   *url.URL
	binding IdentityBinding
	client  *http.Client // the user's but for TLS; what is sent goes by a copy

	mu      sync.Mutex // guards what follows; not held over I/O
	pem     []byte
	current policy.Transporter
}

// newBindingTransport returns a transport to the proxy that keeps the settings of the user's.
func newBindingTransport(b IdentityBinding, users policy.Transporter) (*bindingTransport, error) {
	proxy, err := parseURL("token proxy", b.TokenProxy)
	if err != nil {
		return nil, err
	}
	proxy.Path = cmp.Or(proxy.Path, "/") // what is joined to no path is relative
	if b.CAFile != "" && b.CAData != "" {
		return nil, errors.New("the CA is given both as a file and as data: give one")
	}
	t := &bindingTransport{proxy: proxy, binding: b}
	t.client, err = ownClient(users)
	switch {
	case err == nil && b.CAFile != "":
		_, err = t.latest()
		return t, err
	case err == nil:
		t.current, err = t.trusting([]byte(b.CAData))
		return t, err
	case !errors.Is(err, errUnverified) && b.SNIName == "" && b.CAFile == "" && b.CAData == "":
		// Nothing about TLS must hold, so whatever the transport is, it may stay.
		t.current = newTransport(users).next
		return t, nil
	}
	return nil, fmt.Errorf("the proxy's CA and server name cannot be set on this Transport: %w", err)
}

// errUnverified refuses a transport that would send the assertion to whoever answers.
var errUnverified = errors.New("it does not verify certificates (InsecureSkipVerify): leave it off, the CA is enough")

// ownClient returns a copy of the user's client, with a copy of its *http.Transport, or why there can be none. The proxy is
// inside the cluster, so a proxy for what is outside, from the environment, does not apply to it.
func ownClient(users policy.Transporter) (*http.Client, error) {
	client, ok := orDefault(users).(*http.Client)
	if !ok {
		return nil, fmt.Errorf("it is a %T: give an *http.Client with an *http.Transport, or none", users)
	}
	pooled, err := pooledTransport(client)
	if err != nil {
		return nil, err
	}
	own := pooled.Clone()
	if pooled == defaultClient().Transport || pooled == http.DefaultTransport {
		own.Proxy = nil
	}
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	// A transport that net/http enabled HTTP/2 for, unasked, has a copy that offers HTTP/2 and cannot speak it.
	own.ForceAttemptHTTP2 = own.ForceAttemptHTTP2 || slices.Contains(own.TLSClientConfig.NextProtos, "h2")
	copied := withoutRedirects(client)
	copied.Transport = own
	return copied, nil
}

// pooledTransport returns the client's transport, or why its TLS settings cannot be made to hold.
func pooledTransport(client *http.Client) (*http.Transport, error) {
	pooled, ok := cmp.Or(client.Transport, http.DefaultTransport).(*http.Transport)
	if !ok && client.Transport == nil {
		pooled, ok = defaultClient().Transport.(*http.Transport) // who wrapped net/http's default did not mean the proxy
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("its RoundTripper is a %T: give an *http.Transport; "+
			"instrumentation can be a policy in PerRetryPolicies or a TracingProvider instead", client.Transport)
	case pooled.DialTLSContext != nil || pooled.DialTLS != nil: //lint:ignore SA1019 it would win, deprecated or not
		return nil, errors.New("it dials TLS itself (DialTLSContext): dial with DialContext instead")
	case pooled.TLSClientConfig != nil && pooled.TLSClientConfig.InsecureSkipVerify:
		return nil, errUnverified
	}
	return pooled, nil
}

// trusting returns a client that verifies the proxy with the certificates, if there are to be any.
func (t *bindingTransport) trusting(pem []byte) (*http.Client, error) {
	pooled := t.client.Transport.(*http.Transport).Clone()
	pooled.TLSClientConfig.ServerName = t.binding.SNIName
	if t.binding.CAFile != "" || t.binding.CAData != "" {
		pooled.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !pooled.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("the CA holds no certificate in PEM")
		}
	}
	client := *t.client
	client.Transport = pooled
	return &client, nil
}

// Do implements [policy.Transporter]. The body goes to the proxy, the Host header stays the authority's.
func (t *bindingTransport) Do(req *http.Request) (*http.Response, error) {
	next, stale := t.latest()
	redirected := req.WithContext(req.Context())
	redirected.Host = cmp.Or(req.Host, req.URL.Host)
	redirected.URL = t.proxy.JoinPath(req.URL.EscapedPath()) // #nosec G125 -- a token URL of this package
	redirected.URL.RawQuery = req.URL.RawQuery
	resp, err := next.Do(redirected)
	if err != nil && stale != nil {
		return nil, fmt.Errorf("%w (an earlier CA is still in use: %w)", err, stale)
	}
	return resp, err
}

// latest returns the transport that trusts what the CA file holds now, or, with an error that names the file, the one that
// trusts what it held before.
func (t *bindingTransport) latest() (policy.Transporter, error) {
	if t.binding.CAFile == "" {
		return t.current, nil
	}
	pem, err := regularfile.Read(t.binding.CAFile)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && (t.current == nil || !bytes.Equal(pem, t.pem)) {
		err = t.trust(pem)
	}
	if err != nil {
		err = fmt.Errorf("CA file %q: %w", t.binding.CAFile, err)
	}
	return t.current, err
}

// trust replaces the transport. The lock is held.
func (t *bindingTransport) trust(pem []byte) error {
	client, err := t.trusting(pem)
	if err != nil {
		return err
	}
	if old, ok := t.current.(*http.Client); ok {
		go old.CloseIdleConnections() // they were verified with what is no longer trusted
	}
	t.pem, t.current = pem, client
	return nil
}
