//go:build linux

package faults_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// success is a success reply with more members, which win.
func success(more string) string {
	return `{"token_type":"Bearer","expires_in":3599,"access_token":"` + accessToken + `"` + more + `}`
}

// unusable is a reply with 200 that is refused for what is in it; it is asked for once, and never quoted.
func unusable(name, body string, words ...string) row {
	return row{name: name, then: reply(200, body, jsonType), once: true, want: want{
		status: 200, requests: 1, waited: seconds(0, 0), words: append(words, "HTTP 200", "application/json"), not: []string{"Bearer\"", "3599"},
	}}
}

// usable is a reply with 200 that is odd, but good for a token.
func usable(name, body string, header ...string) row {
	return row{name: name, then: reply(200, body, header...), want: want{token: true, requests: 1, waited: seconds(0, 0)}}
}

func TestBodies(t *testing.T) {
	nul := func(s string) string { return strings.ReplaceAll(s, "access", "acc\x00ess") }
	runRows(t, []row{
		unusable("empty", ""),
		unusable("null", "null"),
		unusable("an array", "["+success("")+"]"),
		unusable("a string", `"`+accessToken+`"`),
		unusable("the token alone", accessToken),
		unusable("truncated", success("")[:len(success(""))-1]),
		unusable("truncated in the token", success("")[:120]),
		unusable("twice", success("")+success("")),
		unusable("garbage after it", success("")+"\x00"),
		unusable("in a callback", "callback("+success("")+")"),
		unusable("a form", "access_token="+accessToken+"&expires_in=3600"),
		unusable("NULs in it", nul(success(""))),
		unusable("all NULs", strings.Repeat("\x00", 1000)),
		unusable("UTF-16", "\xff\xfe{\x00}\x00"),
		unusable("deeply nested", strings.Repeat(`{"a":`, 20_000)),
		unusable("an object without members", "{}", "access_token"),
		unusable("another's members", `{"accessToken":"`+accessToken+`","expiresIn":3600}`, "access_token"),
		unusable("in another case", strings.ToUpper(success("")), "access_token"),
		{name: "a page", then: reply(200, page, html), want: want{status: 200, requests: 1, words: []string{"HTTP 200", "text/html"}}},
		{name: "a type that is none", then: reply(200, page, "Content-Type: ;;;"), want: want{status: 200, requests: 1}},
		{name: "a very long type", then: reply(200, page, "Content-Type: text/"+strings.Repeat("x", 100_000)), want: want{status: 200, requests: 1}},
		{name: "more than 1 MiB", then: reply(200, success(strings.Repeat(" ", 1<<20))), want: want{status: 200, requests: 1, words: []string{"larger than 1048576 bytes"}}},
		{name: "more than 1 MiB with 400", then: reply(400, strings.Repeat("x", 2<<20)), want: want{status: 400, requests: 1, words: []string{"larger than 1048576 bytes"}}},
		{name: "endless", do: func(r *http.Request) (*http.Response, error) {
			resp := response(200, "")
			resp.Body, resp.Request = io.NopCloser(endless{}), r
			return resp, nil
		}, want: want{status: 200, requests: 1, words: []string{"larger than"}}},
		usable("1 MiB of white space", success(strings.Repeat(" ", 1<<20-len(success("")))), jsonType),
		usable("more members", success(`,"scope":"x","resource":"y","not_before":"1","nested":{"a":[1,null]}`), jsonType),
		usable("no Content-Type", success(""), "Content-Type:"),
		usable("a wrong Content-Type", success(""), html),
		usable("a wrong charset", success(""), "Content-Type: application/json; charset=utf-16"),
		usable("white space around it", "\r\n "+success("")+"\r\n", jsonType),
		usable("an error that says nothing", success(`,"error":null,"error_description":""`), jsonType),
	})
}

func TestMembers(t *testing.T) {
	token := func(raw string) string { return `{"token_type":"Bearer","expires_in":3599,"access_token":` + raw + `}` }
	kind := func(raw string) string {
		return `{"token_type":` + raw + `,"expires_in":3599,"access_token":"` + accessToken + `"}`
	}
	const unfit = "no header could carry"
	runRows(t, []row{
		unusable("access_token is missing", `{"token_type":"Bearer","expires_in":3599}`, "access_token"),
		unusable("access_token is null", token(`null`), "access_token"),
		unusable("access_token is empty", token(`""`), "access_token"),
		unusable("access_token is a number", token(`12345678`), "access_token"),
		unusable("access_token is an object", token(`{"token":"`+accessToken+`"}`), "access_token"),
		unusable("access_token is an array", token(`["`+accessToken+`"]`), "access_token"),
		unusable("access_token with a line end", token(`"`+accessToken+`\r\n"`), unfit),
		unusable("access_token with a header", token(`"`+accessToken+`\r\nX-Evil: 1"`), unfit),
		unusable("access_token with a blank", token(`" `+accessToken+`"`), unfit),
		unusable("access_token with a tab", token(`"`+accessToken+`\t"`), unfit),
		unusable("access_token with a NUL", token(`"`+accessToken+`\u0000"`), unfit),
		unusable("access_token with DEL", token(`"`+accessToken+`\u007f"`), unfit),
		unusable("access_token beyond ASCII", token(`"`+accessToken+`é"`), unfit),
		unusable("access_token in bad UTF-8", token("\""+accessToken+"\xff\""), unfit),
		usable("an opaque access_token", token(`"forTestsOnlySignature"`)),

		unusable("token_type is another", kind(`"mac"`), "token_type"),
		unusable("token_type is pop", kind(`"pop"`), "token_type"),
		unusable("token_type is a number", kind(`1`), "token_type"),
		unusable("token_type is an array", kind(`["Bearer"]`), "token_type"),
		usable("token_type in lower case", kind(`"bearer"`)),
		usable("token_type in upper case", kind(`"BEARER"`)),

		usable("access_token twice", token(`"other","access_token":"`+accessToken+`"`)),
		unusable("access_token twice, then null", token(`"`+accessToken+`","access_token":null`), "access_token"),
		unusable("expires_in twice, then none", success(`,"expires_in":null`), "expires_in"),
		{name: "an error twice", then: reply(200, success(`,"error":null,"error":"invalid_client"`)), want: want{status: 200, code: "invalid_client", requests: 1}},
	})
}

func TestLifetimes(t *testing.T) {
	in := func(raw string) string {
		return `{"token_type":"Bearer","expires_in":` + raw + `,"access_token":"` + accessToken + `"}`
	}
	good := func(raw string, from, to float64) row {
		x := usable("expires_in is "+raw, in(raw), jsonType)
		x.until, x.brief = seconds(from, to), to <= 5
		return x
	}
	var rows []row
	for _, raw := range []string{
		`0`, `-0`, `"0"`, `0.0`, `-1`, `"-1"`, `-3599`, `-1e400`, `null`, `""`, `" "`, `true`, `[]`, `[3599]`, `{}`, `{"s":1}`, `"soon"`, `"3599s"`, `"NaN"`,
		`"2026-01-01T00:00:00Z"`, `"PT1H"`, `"3,599"`,
	} {
		x := unusable(fmt.Sprintf("expires_in is %.20s", raw), in(raw), "expires_in")
		x.not = nil
		rows = append(rows, x)
	}
	rows = append(rows,
		unusable("expires_in is missing", `{"token_type":"Bearer","access_token":"`+accessToken+`"}`, "expires_in"),
		good(`3599`, 3599, 3599),
		good(`"3599"`, 3599, 3599),
		good(`86399`, 86399, 86399),
		good(`3599.5`, 3599, 3600),
		good(`3.599e3`, 3599, 3599),
		good(`1`, 1, 1),
		good(`5`, 5, 5),
		good(`6`, 6, 6),
		good(`100800`, 100800, 100800), // 28 h: Entra ID's longest
	)
	const most = 48 * 3600 // never a token that looks valid for ever: an error would do, too
	for _, raw := range []string{`999999999`, `"999999999"`, `9223372036854775807`, `9223372036854775808`, `18446744073709551617`, `1e18`, `1e400`, `253402300799`} {
		rows = append(rows, good(raw, 0, most))
	}
	runRows(t, rows)
}

func TestLifetimesCountFromTheRequest(t *testing.T) {
	late := reply(200, strings.ReplaceAll(success(""), "3599", "60"))
	late.Delay = 25 * time.Second
	retried := *unavailable(500)
	retried.Delay = time.Second
	gone := reply(200, strings.ReplaceAll(success(""), "3599", "10"))
	gone.Delay = 11 * time.Second
	runRows(t, []row{
		{name: "a late reply", then: late, want: want{token: true, requests: 1, waited: seconds(25, 25), until: seconds(60, 60)}},
		{name: "the last request counts", first: append(times(1, retried), *late), want: want{token: true, requests: 2, waited: seconds(26, 27.1), until: seconds(61, 62.1)}},
		{name: "expired on its way", then: gone, want: want{requests: 1, waited: seconds(11, 11), words: []string{"expired"}}},
	})
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
