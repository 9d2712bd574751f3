package exchange

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

	// CAFile or CAData hold the certificates, in PEM, that the proxy's is verified with. Default: the transport's, as a rule
	// the system's. The file is read anew for each request, so that a rotated one is picked up; while it is empty, missing
	// or malformed, what was read last is used.
	CAFile, CAData string
}

// bindingTransport is the transport to the proxy. It is safe for concurrent use.
type bindingTransport struct {
	proxy   *url.URL
	binding IdentityBinding
	client  *http.Client // the user's but for TLS; never used itself if there is a CA file

	mu      sync.Mutex // guards what follows; not held over I/O
	pem     []byte
	current policy.Transporter
}

// newBindingTransport returns a transport to the proxy that keeps the settings of the user's.
func newBindingTransport(b IdentityBinding, users policy.Transporter) (policy.Transporter, error) {
	proxy, err := parseTokenProxy(b.TokenProxy)
	if err != nil {
		return nil, err
	}
	if b.CAFile != "" && b.CAData != "" {
		return nil, errors.New("the CA is given both as a file and as data: give one")
	}
	t := &bindingTransport{proxy: proxy, binding: b}
	client, ok := users.(*http.Client)
	if !ok || client == nil {
		client = nil
	}
	switch pooled, err := pool(client, users); {
	case err == nil:
		copied := http.Client{Transport: pooled}
		if client != nil {
			copied = *client
			copied.Transport = pooled
		}
		t.client = withoutRedirects(&copied)
	case b.SNIName == "" && b.CAFile == "" && b.CAData == "":
		// Nothing about TLS must hold, so whatever the transport is, it may stay.
		t.current = newTransport(users).(transport).next
		return t, nil
	default:
		return nil, fmt.Errorf("the proxy's CA and server name cannot be set on this Transport: %w", err)
	}
	content := []byte(b.CAData)
	if b.CAFile != "" {
		if content, err = regularfile.Read(b.CAFile); err != nil {
			return nil, fmt.Errorf("CA file: %w", err)
		}
	}
	return t, t.trust(content)
}

// parseTokenProxy checks the proxy's URL.
func parseTokenProxy(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("token proxy %q is not a URL", raw)
	case u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("token proxy %q is not an https URL", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("token proxy %q has more than a host and a path", u.Redacted())
	}
	return u, nil
}

// pool returns a copy of the *http.Transport that a user's transport consists of, or why there can be none. The proxy is
// inside the cluster, so a proxy for what is outside, from the environment, does not apply to it.
func pool(client *http.Client, users policy.Transporter) (*http.Transport, error) {
	if users == nil || client != nil && (client.Transport == nil || client.Transport == http.DefaultTransport) {
		own := defaultClient().Transport.(*http.Transport).Clone()
		own.Proxy = nil
		return own, nil
	}
	if client == nil {
		return nil, fmt.Errorf("it is a %T, not an *http.Client", users)
	}
	pooled, ok := client.Transport.(*http.Transport)
	switch {
	case !ok:
		return nil, fmt.Errorf("its RoundTripper is a %T, not an *http.Transport; instrumentation can be a policy in PerRetryPolicies or a TracingProvider instead", client.Transport)
	case pooled.DialTLSContext != nil || pooled.DialTLS != nil: //lint:ignore SA1019 it would win, deprecated or not
		return nil, errors.New("it dials TLS itself (DialTLSContext)")
	case pooled.TLSClientConfig != nil && pooled.TLSClientConfig.InsecureSkipVerify:
		return nil, errors.New("it does not verify certificates (InsecureSkipVerify)")
	}
	return pooled.Clone(), nil
}

// trust makes a transport that verifies the proxy with the certificates, if there are any.
func (t *bindingTransport) trust(pem []byte) error {
	pooled := t.client.Transport.(*http.Transport).Clone()
	if pooled.TLSClientConfig == nil {
		pooled.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	pooled.TLSClientConfig.ServerName = t.binding.SNIName
	if t.binding.CAFile != "" || t.binding.CAData != "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return errors.New("the CA holds no certificate in PEM")
		}
		pooled.TLSClientConfig.RootCAs = roots
	}
	client := *t.client
	client.Transport = pooled

	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.current.(*http.Client); ok {
		old.CloseIdleConnections() // they were verified with what is no longer trusted
	}
	t.pem, t.current = pem, &client
	return nil
}

// Do implements [policy.Transporter]. The body goes to the proxy, the Host header stays the authority's.
func (t *bindingTransport) Do(req *http.Request) (*http.Response, error) {
	stale := t.reload()
	t.mu.Lock()
	client := t.current
	t.mu.Unlock()
	redirected := req.WithContext(req.Context())
	if redirected.Host == "" {
		redirected.Host = req.URL.Host
	}
	redirected.URL = t.proxy.JoinPath(req.URL.EscapedPath())
	redirected.URL.RawQuery = req.URL.RawQuery
	resp, err := client.Do(redirected)
	if err != nil && stale != nil {
		return nil, fmt.Errorf("%w (the CA file %q could not be read again: %w)", err, t.binding.CAFile, stale)
	}
	return resp, err
}

// reload trusts what the CA file holds now. An error means that what was trusted before still is.
func (t *bindingTransport) reload() error {
	if t.binding.CAFile == "" {
		return nil
	}
	pem, err := regularfile.Read(t.binding.CAFile)
	if err != nil {
		return err
	}
	t.mu.Lock()
	same := bytes.Equal(pem, t.pem)
	t.mu.Unlock()
	if same {
		return nil
	}
	return t.trust(pem)
}
