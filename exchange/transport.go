package exchange

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/internal/redact"
)

// maxReply bounds a reply's body after decompression. Real replies have a few kilobytes.
const maxReply = 1 << 20

// maxHeader bounds the status line, and each header's name and value. Entra ID's have less than a
// kilobyte.
const maxHeader = 4 << 10

// attemptKey is the context key of an *attempt.
type attemptKey struct{}

// attempt is the state that an exchange shares with the transport below the pipeline.
type attempt struct {
	sent     time.Time       // when the last request was sent
	timedOut bool            // the last try timed out, so its connection may be dead
	secrets  redact.Redactor // cleans replies and errors before azcore logs them

	onRefusal func(*Error) // nil if nobody asked for it
}

// transport wraps a transport. It sends the assertion once, to one place, and bounds the reply. It
// sits below azcore's pipeline, which reads the whole body of an error reply.
type transport struct {
	next policy.Transporter
}

// newTransport wraps base, the user's transport, or the default one if base is nil.
func newTransport(base policy.Transporter) transport {
	base = orDefault(base)
	if client, ok := base.(*http.Client); ok {
		base = httpClient{withoutRedirects(client)}
	}
	return transport{base}
}

// orDefault returns base, or the default client if base is nil or a nil *http.Client.
func orDefault(base policy.Transporter) policy.Transporter {
	if base == nil || base == (*http.Client)(nil) {
		return defaultClient()
	}
	return base
}

// Do implements [policy.Transporter].
func (t transport) Do(req *http.Request) (*http.Response, error) {
	try, ok := req.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		// Without the attempt, secrets in the reply could not be redacted, so nothing may be sent.
		return nil, &finalError{errors.New("a policy replaced the request's context with one that is not derived from it, so the request is not sent")}
	}
	try.sent = time.Now()
	once := req.WithContext(req.Context())
	once.GetBody = nil // without it, no transport can replay the body after a 307 or 308
	resp, err := t.next.Do(once)
	if err != nil {
		return nil, try.failed(req.Context(), err)
	}
	if resp == nil {
		return nil, nil // azcore turns this into an error
	}
	return try.guarded(*resp, once)
}

// failed returns the error of a try that got no reply, or an incomplete one.
func (try *attempt) failed(ctx context.Context, err error) error {
	try.timedOut = errors.Is(err, context.DeadlineExceeded)
	switch {
	// Without the duration, the error would read as if the caller had given up.
	case try.timedOut && ctx.Err() != nil:
		err = fmt.Errorf("no complete reply within %s: %w", time.Since(try.sent).Round(100*time.Millisecond), err)
	case untrusted(err):
		err = &finalError{err}
	}
	return try.secrets.Error(err)
}

// untrusted reports whether err is about the server's certificate.
func untrusted(err error) bool {
	// The first is crypto/tls's error. Custom verification returns the others.
	return errors.As(err, new(*tls.CertificateVerificationError)) ||
		errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError))
}

// guarded returns a copy of resp that is safe to log and bounded to read.
func (try *attempt) guarded(resp http.Response, req *http.Request) (*http.Response, error) {
	resp.Request = cmp.Or(resp.Request, req)
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	if resp.Request.Response != nil {
		_ = resp.Body.Close()
		return nil, &finalError{fmt.Errorf("the transport followed a redirect to %q; its reply is refused", try.secrets.Text(resp.Request.URL.Host, redact.MaxName))}
	}
	clean := func(s string) string { return try.secrets.Clean(s[:min(len(s), maxHeader)]) }
	resp.Status = clean(resp.Status)  // azcore logs the status and the headers
	resp.Header = resp.Header.Clone() // a transport may share it between replies
	for name, values := range resp.Header {
		if clean(name) != name {
			delete(resp.Header, name)
		}
		for i, value := range values {
			values[i] = clean(value)
		}
	}
	// azcore would compare a date with this machine's clock, and overflow.
	if pause := retryAfter(resp.Header); pause > 0 {
		resp.Header.Set("Retry-After-Ms", strconv.FormatInt(pause.Milliseconds(), 10))
	}
	what := describe(&resp)
	resp.Body = &guardedBody{http.MaxBytesReader(nil, resp.Body, maxReply), func(err error) error {
		if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
			err = fmt.Errorf("%s: the reply is larger than %d bytes", what, tooLarge.Limit)
		}
		return try.failed(req.Context(), err)
	}}
	return &resp, nil
}

// finalError is an error that a retry would only repeat.
type finalError struct{ error }

// NonRetriable stops azcore's retries.
func (finalError) NonRetriable() {}

func (e finalError) Unwrap() error { return e.error }

// guardedBody is a body whose errors are safe for azcore to log.
type guardedBody struct {
	io.ReadCloser
	failed func(error) error
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = b.failed(err)
	}
	return n, err
}

// describe returns a reply's status and media type.
func describe(resp *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		mediaType = "no usable Content-Type"
	}
	status := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	return status + ", " + redact.Clip(mediaType, 100)
}

// defaultClient is used when the user sets no transport. All such clients share it and its
// connections.
var defaultClient = sync.OnceValue(func() *http.Client { return &http.Client{Transport: defaultTransport()} })

// defaultTransport copies the settings of azcore's default client, which azcore does not export:
// proxies from the environment, TLS 1.2, and pings that find dead HTTP/2 connections. It also
// bounds headers and names the proxy in errors.
var defaultTransport = sync.OnceValue(func() *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: refuseConnect,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    10,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, Renegotiation: tls.RenegotiateFreelyAsClient},
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
})

// withoutRedirects returns a copy of c that returns redirects instead of following them.
func withoutRedirects(c *http.Client) *http.Client {
	copied := *c
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}
