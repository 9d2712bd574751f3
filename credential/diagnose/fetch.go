package diagnose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/trace"
)

const (
	// fetchTimeout bounds each request to an issuer or a resource.
	fetchTimeout = 10 * time.Second

	// maxDocument bounds a reply's body. An issuer's documents have a few kilobytes.
	maxDocument = 1 << 20

	// maxURL bounds a URL from a claim, which may have a megabyte. Entra ID accepts issuers of up
	// to 600 characters.
	maxURL = 1500
)

// client returns a copy of given, or a new client, that follows no redirects and keeps no cookies:
// the URLs come from an unverified token.
func client(given *http.Client) *http.Client {
	c := &http.Client{Transport: &http.Transport{ // not http.DefaultTransport, which the program may have replaced
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}}
	if given != nil {
		*c = *given
	}
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// fetchable returns an error if the URL must not be fetched.
func fetchable(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "":
		return errors.New("the URL is not https or has no host, so it was not fetched")
	case u.User != nil, strings.Contains(raw, "#"):
		return errors.New("the URL has a user or a fragment, so it was not fetched")
	case len(raw) > maxURL:
		return errors.New("the URL is longer than 1500 characters, so it was not fetched")
	}
	return nil
}

// reply is the reply to a GET.
type reply struct {
	status int
	header http.Header
	body   []byte // cut one byte after maxDocument
}

func (r reply) statusText() string {
	return fmt.Sprintf("HTTP %d %s", r.status, http.StatusText(r.status))
}

func (r reply) media() string {
	media, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil {
		return "none"
	}
	return redact.Clip(media, redact.MaxName)
}

// redirect returns an error if the reply is a redirect.
func (r reply) redirect(target string) error {
	if to := r.header.Get("Location"); r.status/100 == 3 && to != "" {
		return fmt.Errorf("%s redirects to %q, which is not followed", redact.Setting(target), redact.Clip(redact.Setting(to), redact.MaxName))
	}
	return nil
}

// fetch sends a GET with the access token, or without one if access is empty.
func (w *walk) fetch(ctx context.Context, target, access string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("User-Agent", trace.Module+"/"+trace.Version)
	if access != "" {
		r.Header.Set("Authorization", "Bearer "+access)
		r.Header.Set("x-ms-version", "2021-12-02") // Azure Storage requires one for bearer tokens
	}
	resp, err := w.http.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // url.Error quotes the URL unredacted
	}
	if err != nil {
		return reply{}, fmt.Errorf("GET %s: %w", redact.Setting(target), err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return reply{}, fmt.Errorf("reading %s: %w", redact.Setting(target), err)
	}
	return reply{resp.StatusCode, resp.Header, body}, nil
}
