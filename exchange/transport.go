package exchange

import (
	"crypto/tls"
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

// maxReply bounds a reply's body after decompression. A real one has a few kilobytes.
const maxReply = 1 << 20

// maxHeader bounds the status line, and the name and value of a header. Entra ID's have less than a kilobyte.
const maxHeader = 4 << 10

// attemptKey is the context key of an *attempt.
type attemptKey struct{}

// attempt is what an exchange and the transport below the pipeline tell each other.
type attempt struct {
	sent    time.Time       // the last time
	secrets redact.Redactor // for errors, because azcore logs them on their way up
}

// transport guards the transport that it wraps: the assertion is sent once, to one place, and the reply is bounded. It sits
// below azcore's pipeline because azcore downloads the whole body of an error there.
type transport struct {
	next policy.Transporter
}

// newTransport wraps the user's transport, or the default one if there is none.
func newTransport(users policy.Transporter) transport {
	users = orDefault(users)
	if client, ok := users.(*http.Client); ok {
		users = withoutRedirects(client)
	}
	return transport{users}
}

// orDefault returns the default client where the user gave none, or a nil one.
func orDefault(users policy.Transporter) policy.Transporter {
	if users == nil || users == (*http.Client)(nil) {
		return defaultClient()
	}
	return users
}

// Do implements [policy.Transporter].
func (t transport) Do(req *http.Request) (*http.Response, error) {
	try, ok := req.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		// Without what to redact, nothing may be sent that could be thrown back.
		return nil, &finalError{errors.New("a policy replaced the request's context with one that is not derived from it, so it is not sent")}
	}
	try.sent = time.Now()
	once := req.WithContext(req.Context())
	once.GetBody = nil // what cannot be replayed cannot follow a 307 or 308, whatever the transport
	resp, err := t.next.Do(once)
	if err != nil {
		return nil, try.secrets.Error(err)
	}
	if resp == nil {
		return nil, nil // azcore makes an error of it
	}
	return try.guarded(*resp)
}

// guarded returns a reply that may be logged, and read to its end.
func (try *attempt) guarded(resp http.Response) (*http.Response, error) {
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	if resp.Request != nil && resp.Request.Response != nil {
		_ = resp.Body.Close()
		return nil, &finalError{fmt.Errorf("the transport followed a redirect to %q; its reply is refused", try.secrets.Text(resp.Request.URL.Host, redact.MaxName))}
	}
	clean := func(s string) string { return try.secrets.Clean(s[:min(len(s), maxHeader)]) }
	resp.Status = clean(resp.Status)  // azcore logs it, and headers
	resp.Header = resp.Header.Clone() // a transport may share it between replies
	for name, values := range resp.Header {
		if clean(name) != name {
			delete(resp.Header, name)
		}
		for i, value := range values {
			values[i] = clean(value)
		}
	}
	if pause := retryAfter(resp.Header); pause > 0 { // azcore reads a date by this machine's clock, and overflows
		resp.Header.Set("Retry-After-Ms", strconv.FormatInt(pause.Milliseconds(), 10))
	}
	resp.Body = &guardedBody{http.MaxBytesReader(nil, resp.Body, maxReply), describe(&resp), try.secrets}
	return &resp, nil
}

// finalError is one that a retry would only repeat.
type finalError struct{ error }

// NonRetriable stops azcore's retries.
func (finalError) NonRetriable() {}

func (e finalError) Unwrap() error { return e.error }

// guardedBody is a body whose errors are fit for azcore's log.
type guardedBody struct {
	io.ReadCloser
	what    string
	secrets redact.Redactor
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = fmt.Errorf("%s: the reply is larger than %d bytes", b.what, tooLarge.Limit)
	}
	if err != nil {
		err = b.secrets.Error(err)
	}
	return n, err
}

// describe names a reply by its status and media type.
func describe(resp *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		mediaType = "no usable Content-Type"
	}
	status := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	return status + ", " + redact.Clip(mediaType, 100)
}

// defaultClient has the settings of azcore's default client, which cannot be had from outside it: proxies from the
// environment, TLS 1.2, and pings that find a dead HTTP/2 connection; and a bound on headers. Clients share it, and its
// connections.
var defaultClient = sync.OnceValue(func() *http.Client {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
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
	}}
})

// withoutRedirects returns a copy of c that returns a redirect instead of following it.
func withoutRedirects(c *http.Client) *http.Client {
	copied := *c
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}
