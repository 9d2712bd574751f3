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
	"github.com/entrafed/entrafed/internal/version"
)

const (
	// fetchTimeout bounds each request to an issuer or a resource.
	fetchTimeout = 10 * time.Second

	// maxDocument is ample: an issuer's documents have a few kilobytes.
	maxDocument = 1 << 20

	// maxURL is ample too: Entra ID takes issuers of 600 characters. A claim may have a megabyte.
	maxURL = 1500
)

// client returns a copy that follows nothing and keeps nothing: an unverified token says where it goes.
func client(given *http.Client) *http.Client {
	c := &http.Client{}
	if given != nil {
		*c = *given
	}
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// fetchable says why a URL is not fetched.
func fetchable(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "":
		return errors.New("not an https URL, so it is not asked")
	case u.User != nil, strings.Contains(raw, "#"):
		return errors.New("a URL with a user or a fragment in it is not asked")
	case len(raw) > maxURL:
		return errors.New("a URL of more than 1500 characters is not asked")
	}
	return nil
}

// reply is what a GET brought.
type reply struct {
	status int
	header http.Header
	body   []byte // no more than a byte over maxDocument
}

func (r reply) statusText() string {
	return fmt.Sprintf("HTTP %d %s", r.status, http.StatusText(r.status))
}

func (r reply) media() string {
	media, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil {
		return "of no media type"
	}
	return redact.Clip(media, redact.MaxName)
}

// redirect says where the reply leads elsewhere; nil if it does not.
func (r reply) redirect(target string) error {
	if to := r.header.Get("Location"); r.status/100 == 3 && to != "" {
		return fmt.Errorf("%s redirects to %q, which is not followed", target, redact.Clip(to, redact.MaxName))
	}
	return nil
}

// fetch gets a URL, with the access token if there is one.
func (w *walk) fetch(ctx context.Context, target, access string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("User-Agent", version.Module+"/"+version.Version)
	if access != "" {
		r.Header.Set("Authorization", "Bearer "+access)
		r.Header.Set("x-ms-version", "2021-12-02") // Azure Storage takes bearer tokens only with a version; others pass over it
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return reply{}, fmt.Errorf("reading %s: %w", target, err)
	}
	return reply{resp.StatusCode, resp.Header, body}, nil
}
