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

	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/regularfile"
)

// IdentityBinding sends token requests to the in-cluster proxy of AKS identity bindings. The Host
// header still names the authority
// (https://learn.microsoft.com/azure/aks/identity-bindings-concepts).
type IdentityBinding struct {
	// TokenProxy is the proxy's https URL. Its path is prepended to the authority's. Required.
	TokenProxy string

	// SNIName is the server name to send and to verify in the TLS handshake. Default: the proxy's
	// host.
	SNIName string

	// CAFile and CAData hold the PEM certificates to verify the proxy with. Set at most one.
	// Default: the transport's, usually the system's. The file is read for every request, to pick
	// up a rotated CA. While it is empty, missing or malformed, the last good content stays in use.
	CAFile, CAData string
}

// bindingTransport sends requests to the proxy. It is safe for concurrent use.
type bindingTransport struct {
	proxy   *url.URL
	binding IdentityBinding
	// client is a copy of the user's client, with its own *http.Transport. It sends nothing itself;
	// trusting copies it.
	client *http.Client

	mu      sync.Mutex // guards the fields below; not held during I/O
	pem     []byte
	current policy.Transporter
}

// newBindingTransport returns a transport to the proxy that keeps the settings of base, the user's
// transport.
func newBindingTransport(b IdentityBinding, base policy.Transporter) (*bindingTransport, error) {
	proxy, err := parseURL("token proxy", b.TokenProxy)
	if err != nil {
		return nil, err
	}
	proxy.Path = cmp.Or(proxy.Path, "/") // JoinPath on an empty path returns a relative one
	if b.CAFile != "" && b.CAData != "" {
		return nil, errors.New("the CA is given both as a file and as data: give one")
	}
	t := &bindingTransport{proxy: proxy, binding: b}
	t.client, err = ownClient(base)
	switch {
	case err == nil && b.CAFile != "":
		_, err = t.latest()
		return t, err
	case err == nil:
		t.current, err = t.trusting([]byte(b.CAData))
		return t, err
	case !errors.Is(err, errUnverified) && b.SNIName == "" && b.CAFile == "" && b.CAData == "":
		// No TLS setting has to hold, so any transport will do.
		t.current = newTransport(base).next
		return t, nil
	}
	return nil, fmt.Errorf("the proxy's CA and server name cannot be set on this Transport: %w", err)
}

// errUnverified refuses a transport that would send the assertion to any server that answers.
var errUnverified = errors.New("it does not verify certificates: turn InsecureSkipVerify off, the CA is enough")

// ownClient returns a copy of base, the user's client, with a copy of its *http.Transport, or an
// error if it cannot be copied. The proxy is inside the cluster, so the copy of a default transport
// ignores the environment's HTTP proxy.
func ownClient(base policy.Transporter) (*http.Client, error) {
	client, ok := orDefault(base).(*http.Client)
	if !ok {
		return nil, fmt.Errorf("it is a %T: use an *http.Client with an *http.Transport, or leave Transport nil", base)
	}
	pooled, err := pooledTransport(client)
	if err != nil {
		return nil, err
	}
	own := pooled.Clone()
	if pooled == defaultTransport() || pooled == http.DefaultTransport {
		own.Proxy = nil
	}
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	// If net/http enabled HTTP/2 on its own, the clone offers HTTP/2 in the handshake but cannot
	// speak it.
	own.ForceAttemptHTTP2 = own.ForceAttemptHTTP2 || slices.Contains(own.TLSClientConfig.NextProtos, "h2")
	if own.TLSNextProto["h2"] != nil {
		// x/net/http2 registers a connection pool here. Copies would share it, whatever each of
		// them verifies. Its own settings cannot be read, so the default transport's pings find
		// dead connections.
		own.TLSNextProto, own.ForceAttemptHTTP2 = nil, true
		own.HTTP2 = cmp.Or(own.HTTP2, defaultTransport().HTTP2)
	}
	copied := withoutRedirects(client)
	copied.Transport = own
	return copied, nil
}

// pooledTransport returns the client's transport, or an error if TLS settings on it would have no
// effect.
func pooledTransport(client *http.Client) (*http.Transport, error) {
	pooled, ok := cmp.Or(client.Transport, http.DefaultTransport).(*http.Transport)
	if !ok && client.Transport == nil {
		// Code that wraps net/http's default did not have this proxy in mind.
		pooled, ok = defaultTransport(), true
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("its RoundTripper is a %T: use an *http.Transport; "+
			"for instrumentation, use a policy in PerRetryPolicies or a TracingProvider", client.Transport)
	case pooled.DialTLSContext != nil || pooled.DialTLS != nil: //lint:ignore SA1019 it would win, deprecated or not
		return nil, errors.New("it dials TLS itself (DialTLSContext): dial with DialContext instead")
	case pooled.TLSClientConfig != nil && pooled.TLSClientConfig.InsecureSkipVerify:
		return nil, errUnverified
	}
	return pooled, nil
}

// trusting returns a client that verifies the proxy with the CA in pem, if the binding has a CA.
func (t *bindingTransport) trusting(pem []byte) (policy.Transporter, error) {
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
	return httpClient{&client}, nil
}

// Do implements [policy.Transporter]. It sends the request to the proxy and keeps the authority in
// the Host header. It changes req, which is transport.Do's own copy.
func (t *bindingTransport) Do(req *http.Request) (*http.Response, error) {
	next, stale := t.latest()
	query := req.URL.RawQuery
	req.Host = cmp.Or(req.Host, req.URL.Host)
	req.URL = t.proxy.JoinPath(req.URL.EscapedPath()) // #nosec G125 -- the path is a token URL built by this package
	req.URL.RawQuery = query
	resp, err := next.Do(req)
	if err != nil && stale != nil {
		return nil, fmt.Errorf("%w (an earlier CA is still in use: %w)", err, stale)
	}
	return resp, err
}

// latest returns the transport that trusts the CA file's current content. If that cannot be used,
// it returns the previous transport and an error that names the file.
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
		err = fmt.Errorf("CA file %s: %w", redact.Path(t.binding.CAFile), err)
	}
	return t.current, err
}

// trust replaces the transport. The caller holds the lock.
func (t *bindingTransport) trust(pem []byte) error {
	client, err := t.trusting(pem)
	if err != nil {
		return err
	}
	if old, ok := t.current.(httpClient); ok {
		go old.CloseIdleConnections() // their certificates were verified with the old CA
	}
	t.pem, t.current = pem, client
	return nil
}
