package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestFaultsFromTheCommandLine(t *testing.T) {
	for args, want := range map[string]struct {
		status     int
		retryAfter string
		code       string
	}{
		"-outage":       {503, "", "AADSTS90033"},
		"-throttle 30s": {429, "30", ""},
		"-throttle 0s":  {429, "", ""},
		"-refuse 53003": {400, "", "AADSTS53003"},
	} {
		t.Run(args, func(t *testing.T) {
			s, err := parse(append(strings.Fields(args), "-times", "2", "-addr", "127.0.0.1:0"), io.Discard)
			require.NoError(t, err)
			p := start(t, s)
			for range 2 {
				reply := p.post(t)
				assert.Equal(t, want.status, reply.StatusCode)
				assert.Equal(t, want.retryAfter, reply.Header.Get("Retry-After"))
				text, err := io.ReadAll(reply.Body)
				require.NoError(t, err)
				assert.Contains(t, string(text), want.code)
			}
			assert.Equal(t, http.StatusBadRequest, p.post(t).StatusCode, "the fault is over, and the request has no fields")
		})
	}
}

// post sends a token request without fields.
func (p *running) post(t *testing.T) *http.Response {
	t.Helper()
	reply, err := p.client(t).PostForm(p.environment["AZURE_AUTHORITY_HOST"]+p.environment["AZURE_TENANT_ID"]+"/oauth2/v2.0/token", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = reply.Body.Close() })
	return reply
}

func TestInvalidFaults(t *testing.T) {
	for args, want := range map[string]string{
		"-outage -throttle 1s":         "set only one of outage, throttle and refuse",
		"-times 2":                     "times needs outage, throttle or refuse",
		"-times 0 -outage":             `times "0": not a positive number`,
		"-refuse x":                    `refuse "x"`,
		"-delay -1s":                   `delay "-1s": must not be negative`,
		"-delay soon":                  `delay "soon"`,
		"-outage=maybe":                `"maybe" for -outage`,
		"-setup not-injected -outage":  "-setup already sets a fault",
		"-setup x -control 127.0.0.1:": "-setup already sets a fault",
	} {
		var errs bytes.Buffer
		_, err := parse(strings.Fields(args), &errs)
		require.ErrorContains(t, err, want, args)
		assert.Contains(t, errs.String(), want)
	}
}

func TestControlChangesWhatEntraAnswers(t *testing.T) {
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: time.Hour, control: "127.0.0.1:0", faults: faults{"refuse": {"53003"}}})
	at := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`).FindString(p.comments)
	require.NotEmpty(t, at, p.comments)
	said := func(reply *http.Response, err error) string {
		require.NoError(t, err)
		defer reply.Body.Close()
		text, err := io.ReadAll(reply.Body)
		require.NoError(t, err)
		return strings.TrimSpace(reply.Status + " " + string(text))
	}
	change := func(form url.Values) string { return said(http.PostForm(at, form)) }

	assert.Equal(t, "200 OK refuse=53003", said(http.Get(at)))
	assert.Equal(t, "200 OK delay=1ms&throttle=7s", change(url.Values{"throttle": {"7s"}, "delay": {"1ms"}}))
	assert.Equal(t, "200 OK delay=1ms&throttle=7s", said(http.Get(at)))
	reply := p.post(t)
	assert.Equal(t, http.StatusTooManyRequests, reply.StatusCode)
	assert.Equal(t, "7", reply.Header.Get("Retry-After"))

	assert.Equal(t, `400 Bad Request unknown setting "junk"`, change(url.Values{"junk": {"1"}}))
	assert.Equal(t, "400 Bad Request set only one of outage, throttle and refuse", change(url.Values{"outage": {"1"}, "refuse": {"1"}}))
	assert.Equal(t, http.StatusTooManyRequests, p.post(t).StatusCode, "an invalid form changes nothing")

	assert.Equal(t, "200 OK outage=true&times=3", change(url.Values{"outage": {"true"}, "times": {"3"}}))
	assert.Equal(t, http.StatusServiceUnavailable, p.post(t).StatusCode)
	assert.Equal(t, "200 OK", change(nil), "an empty form removes the remaining faults")
	status, body, _ := p.signIn(t, func(url.Values) {})
	assert.Equal(t, http.StatusOK, status, body)
	assert.Contains(t, p.logs.String(), `control: "delay=1ms&throttle=7s"`)
}

func TestDelayComesBeforeTheReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entra, start := new(entratest.Server), time.Now()
		faults{"delay": {"20s"}}.apply(entra)
		entra.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/t/oauth2/v2.0/token", nil))
		assert.Equal(t, 20*time.Second, time.Since(start))
	})
}

// A page in a browser can reach loopback, through a host name that its author controls.
func TestControlIsForProgramsOnly(t *testing.T) {
	c := &control{entra: new(entratest.Server)}
	for name, change := range map[string]func(r *http.Request){
		"other host":     func(r *http.Request) { r.Host = "evil.example:8444" },
		"form of a page": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8444/", strings.NewReader("outage=true"))
		change(r)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		assert.Equal(t, http.StatusForbidden, w.Code, name)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "http://localhost:8444/", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
}
