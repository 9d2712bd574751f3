//go:build linux

package faults_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// success returns a success reply with more members, which override the others.
func success(more string) string {
	return `{"token_type":"Bearer","expires_in":3599,"access_token":"` + accessToken + `"` + more + `}`
}

// unusable returns a row with a reply of status 200 whose content is refused. It is requested once
// and never quoted.
func unusable(name, body string, words ...string) row {
	return row{name: name, then: reply(200, body, jsonType), once: true, want: want{
		status: 200, requests: 1, waited: seconds(0, 0), words: append(words, "HTTP 200", "application/json"), not: []string{`Bearer"`, `Bearer\"`},
	}}
}

// usable returns a row with an odd reply of status 200 that still yields a token.
func usable(name, body string, header ...string) row {
	return row{name: name, then: reply(200, body, header...), want: want{token: true, requests: 1, waited: seconds(0, 0)}}
}

func TestReplies(t *testing.T) {
	in := func(expiresIn string) string { return strings.Replace(success(""), "3599", expiresIn, 1) }
	lives := func(name, expiresIn string, from, to float64) row {
		x := usable(name, in(expiresIn), jsonType)
		x.until, x.brief = seconds(from, to), to <= 5
		return x
	}
	after := func(delay time.Duration, body string) []entratest.Reply {
		r := reply(200, body, jsonType)
		r.Delay = delay
		return []entratest.Reply{*r}
	}
	retried := *unavailable(500)
	retried.Delay = time.Second
	runRows(t, []row{
		unusable("truncated", success("")[:len(success(""))-1]),
		unusable("in a callback", "callback("+success("")+")"),
		unusable("access_token is missing", `{"token_type":"Bearer","expires_in":3599}`, "access_token"),
		unusable("access_token with a header", success(`,"access_token":"`+accessToken+`\r\nX-Evil: 1"`), "no header could carry"),
		unusable("another token_type", success(`,"token_type":"mac"`), "token_type"),
		unusable("expires_in is not a number", in(`"soon"`), "expires_in"),
		unusable("expires_in is negative", in(`-1`), "expires_in"),
		{name: "a page", then: reply(200, page, html), want: want{status: 200, requests: 1, words: []string{"HTTP 200", "text/html"}}},
		{name: "more than 1 MiB with 400", then: reply(400, strings.Repeat("x", 2<<20)), want: want{status: 400, requests: 1, words: []string{"larger than 1048576 bytes"}}},
		{name: "endless", do: func(r *http.Request) (*http.Response, error) {
			resp := response(200, "")
			resp.Body, resp.Request = io.NopCloser(endless{}), r
			return resp, nil
		}, want: want{status: 200, requests: 1, words: []string{"larger than"}}},

		usable("1 MiB of white space", success(strings.Repeat(" ", 1<<20-len(success("")))), jsonType),
		usable("a wrong Content-Type", success(""), html),
		usable("an empty error", success(`,"error":null,"error_description":""`), jsonType),

		lives("for a second", `1`, 1, 1),
		lives("for 28 hours, Entra ID's longest", `100800`, 100800, 100800),
		lives("forever", `1e400`, 0, 48*3600), // an error would be fine too
		{name: "a late reply", first: after(10*time.Second, in(`60`)), want: want{token: true, requests: 1, waited: seconds(10, 10), until: seconds(60, 60)}},
		{name: "the last request counts", first: append([]entratest.Reply{retried}, after(10*time.Second, in(`60`))...), want: want{token: true, requests: 2, waited: seconds(11, 12.1), until: seconds(61, 62.1)}},
		{name: "expired on the way", first: after(9*time.Second, in(`8`)), want: want{requests: 1, waited: seconds(9, 9), words: []string{"expired"}}},
	})
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
