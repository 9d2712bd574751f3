package broken

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	authority = "login.microsoftonline.com"
	vaultHost = "orders.vault.azure.net"
)

// site answers the requests for a host, in the caller's goroutine.
type site func(*http.Request) (*http.Response, error)

// network has the sites that can be reached, by host. It is an [http.RoundTripper]. It is changed only while nothing uses it.
type network map[string]site

// RoundTrip implements [http.RoundTripper]. A host without a site does not resolve.
func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if answer := n[r.URL.Host]; answer != nil && r.Context().Err() == nil {
		return answer(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}}
}

// serve makes a site public.
func (p *Pod) serve(host string, answer site) { p.here[host], p.outside[host] = answer, answer }

// serveCluster makes a cluster's issuer public.
func (p *Pod) serveCluster(c *entratest.Cluster, issuer string) error {
	u, err := url.Parse(issuer)
	if err == nil {
		p.serve(u.Host, c.Do)
	}
	return err
}

// respond makes a reply of a site.
func respond(r *http.Request, status int, media, body string) *http.Response {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {media}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

// page is a site that answers everything with a page, as one for signing in does.
func page(status int, text string) site {
	return func(r *http.Request) (*http.Response, error) {
		return respond(r, status, "text/html; charset=utf-8", text), nil
	}
}
