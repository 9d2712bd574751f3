package setups

import (
	"bufio"
	"context"
	"errors"
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

// site answers the requests for a host in the caller's goroutine.
type site func(*http.Request) (*http.Response, error)

// network holds the reachable sites by host. It is an [http.RoundTripper]. Change it only while
// nothing uses it.
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

// respond returns a site's reply.
func respond(r *http.Request, status int, media, body string) *http.Response {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {media}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

// page returns a site that answers every request with a page, such as one for signing in.
func page(status int, text string) site {
	return func(r *http.Request) (*http.Response, error) {
		return respond(r, status, "text/html; charset=utf-8", text), nil
	}
}

// failing returns a site that does not answer.
func failing(err error) site {
	return func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
}

// companyProxy is the host of an HTTP proxy.
const companyProxy = "proxy.corp.example:3128"

// proxied puts a proxy between the program and Entra ID that answers every CONNECT with the status.
func proxied(status string) func(*Pod) error {
	return func(p *Pod) error {
		p.here[authority] = failing(errors.New("the one way there is the proxy"))
		p.Options.Transport = &http.Client{Transport: &http.Transport{
			Proxy:       http.ProxyURL(&url.URL{Scheme: "http", Host: companyProxy, User: url.UserPassword("pat", "hunter2hunter2")}),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return refusing(status), nil },
		}}
		return nil
	}
}

// refusing returns a connection to a proxy that answers one request with the status.
func refusing(status string) net.Conn {
	here, there := net.Pipe()
	go func() {
		defer func() { _ = there.Close() }()
		if _, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
			_, _ = io.WriteString(there, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
		}
	}()
	return here
}
