package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// httpClient is an [http.Client] whose errors name the HTTP proxy. After a try that timed out, it
// does not reuse idle connections, which may be just as dead.
type httpClient struct{ *http.Client }

// Do implements [policy.Transporter].
func (c httpClient) Do(req *http.Request) (*http.Response, error) {
	if try, ok := req.Context().Value(attemptKey{}).(*attempt); ok && try.timedOut {
		c.CloseIdleConnections() // only now: an HTTP/2 stream briefly outlives its request
	}
	resp, err := c.Client.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		proxied := *failed
		proxied.Err = throughProxy(c.proxy(req), failed.Err)
		err = &proxied
	}
	return resp, err
}

// proxy returns the proxy for req, or nil.
func (c httpClient) proxy(req *http.Request) *url.URL {
	pooled, ok := cmp.Or(c.Transport, http.DefaultTransport).(*http.Transport)
	if !ok || pooled.Proxy == nil {
		return nil
	}
	proxy, _ := pooled.Proxy(req)
	return proxy
}

// throughProxy adds the proxy, if there is one, to the error of a request.
func throughProxy(proxy *url.URL, err error) error {
	if proxy == nil {
		return err
	}
	// Without refuseConnect, as in a user's transport, a refused CONNECT's error is only the status
	// text.
	for code := http.StatusBadRequest; code < 600; code++ {
		if text := http.StatusText(code); text != "" && err.Error() == text {
			err = connectError(code)
		}
	}
	return fmt.Errorf("through the proxy %s: %w", proxy.Host, err)
}

// refuseConnect implements [http.Transport.OnProxyConnectResponse].
func refuseConnect(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return connectError(resp.StatusCode)
}

// connectError returns the error for a proxy's reply to CONNECT. The proxy's own words, such as
// Forbidden, would read as if Entra ID had said them.
func connectError(code int) error {
	err := fmt.Errorf("CONNECT was refused with HTTP %d %s", code, http.StatusText(code))
	if code >= http.StatusInternalServerError || code == http.StatusRequestTimeout || code == http.StatusTooManyRequests {
		return err
	}
	return &finalError{err}
}
