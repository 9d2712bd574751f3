//go:build linux

package faults_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	jsonType = "Content-Type: application/json; charset=utf-8"
	html     = "Content-Type: text/html; charset=utf-8"
	page     = "<html><head><title>Request blocked</title></head><body>Ask your administrator.</body></html>"
	soon     = "Retry-After: 2" // short enough to wait for within an exchange
	later    = "Retry-After: 60"
)

// unavailable returns a reply that is retried within an exchange, at azcore's pace.
func unavailable(status int, header ...string) *entratest.Reply {
	return reply(status, page, append(header, html)...)
}

// eventually enables the default retries of refusals that usually clear up, such as those right
// after creating a federated credential.
func eventually(r *rig) { r.options.PropagationTimeout = 0 }

// asStatus returns a refusal with another status.
func asStatus(status, code int) entratest.Reply {
	r := entratest.Refuse(code)
	r.Status = status
	return r
}

func times(n int, r entratest.Reply) (replies []entratest.Reply) {
	for range n {
		replies = append(replies, r)
	}
	return replies
}

// echo answers with a reply that quotes the assertion.
func echo(answer func(assertion string) *http.Response) doFunc {
	return func(r *http.Request) (*http.Response, error) {
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		resp := answer(r.PostForm.Get("client_assertion"))
		resp.Request = r
		return resp, nil
	}
}

func response(status int, body string, header ...string) *http.Response {
	h := reply(status, "", header...).Header
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func TestStatusCodes(t *testing.T) {
	retried := want{requests: 4, words: []string{"text/html", "Ask your administrator."}, waited: seconds(4, 14)}
	with := func(w want, status int) want { w.status = status; return w }
	runRows(t, []row{
		{name: "201", then: reply(201, success("")), want: want{status: 201, requests: 1, words: []string{"HTTP 201"}}},
		{name: "403 of a firewall", then: reply(403, page, html), want: want{status: 403, requests: 1, words: retried.words}},
		{name: "501", then: reply(501, page, html), want: want{status: 501, requests: 1, words: retried.words}},
		{name: "500", then: unavailable(500), want: with(retried, 500)},
		{name: "504", then: unavailable(504), want: with(retried, 504)},
		{name: "500 once", first: times(1, *unavailable(500)), want: want{token: true, requests: 2, waited: seconds(0.6, 1.1)}},
		{name: "502 three times", first: times(3, *unavailable(502)), want: want{token: true, requests: 4, waited: seconds(4, 14)}},
		{name: "retries switched off", then: unavailable(500), with: func(r *rig) { r.options.Retry.MaxRetries = -1 }, want: want{status: 500, requests: 1, waited: seconds(0, 0)}},
	})
}

func TestThrottling(t *testing.T) {
	const many = "Too Many Requests"
	throttled := want{status: 429, words: []string{many}, requests: 4, waited: seconds(4, 14)}
	obeyed := func(w want, from, to float64) want {
		w.requests, w.waited, w.pause, w.ordered = 1, seconds(0, 0), seconds(from, to), true
		return w
	}
	overloaded := want{status: 503, code: "temporarily_unavailable", codes: []int{90033}, words: []string{"AADSTS90033"}}
	runRows(t, []row{
		{name: "429 alone", then: reply(429, many), want: throttled},
		{name: "in seconds", then: reply(429, many, later), want: obeyed(throttled, 60, 72)},
		{name: "as a date", do: dated(0, time.Minute), want: obeyed(throttled, 60, 72)},
		{name: "as a date years ahead", do: dated(0, 50_000*time.Hour), want: obeyed(throttled, 3600, 3600)},
		{name: "out of an integer's range", then: reply(429, many, "Retry-After: 99999999999999999999999"), want: obeyed(throttled, 3600, 3600)},
		{name: "garbage", then: reply(429, many, "Retry-After: in a minute"), want: throttled},
		{name: "just too long to wait for", then: reply(429, many, "Retry-After: 6"), want: obeyed(throttled, 6, 7.2)},
		{name: "waited for within the exchange", first: times(1, *reply(429, many, soon)), want: want{token: true, requests: 2, waited: seconds(2, 2)}},
		{name: "short, but every time", then: reply(429, many, soon), want: want{status: 429, requests: 4, waited: seconds(6, 6), pause: seconds(2, 2.4), ordered: true}},

		{name: "503 in seconds", then: new(entratest.Unavailable(time.Minute)), want: obeyed(overloaded, 60, 72)},
		{name: "503 waited for", first: times(2, entratest.Unavailable(3*time.Second)), want: want{token: true, requests: 3, waited: seconds(6, 6)}},
		{name: "500 with a Retry-After", then: unavailable(500, later), want: want{status: 500, requests: 1}},
		{name: "a loop is detected", then: new(entratest.Refuse(50196)), want: want{status: 400, code: "invalid_grant", codes: []int{50196}, requests: 1}},
	})
}

// dated returns a 429 with a Retry-After date. The reply's Date is ahead by skew, and the
// Retry-After date is relative to it.
func dated(skew, pause time.Duration) doFunc {
	return func(r *http.Request) (*http.Response, error) {
		now := time.Now().Add(skew).UTC()
		resp := response(429, "Too Many Requests", "Date: "+now.Format(http.TimeFormat), "Retry-After: "+now.Add(pause).Format(http.TimeFormat))
		resp.Request = r
		return resp, nil
	}
}

func TestRefusals(t *testing.T) {
	refusal := func(status int, code string, aadsts int, words ...string) want {
		return want{status: status, code: code, codes: []int{aadsts}, requests: 1, waited: seconds(0, 0), words: words}
	}
	presented := []string{entratest.DefaultIssuer, "system:serviceaccount:shop:orders", "api://AzureADTokenExchange", "presented"}
	always := func(code int) *entratest.Reply { return new(entratest.Refuse(code)) }
	tries := func(w want, n, upTo int, from, to float64) want {
		w.requests, w.upTo, w.waited, w.patient = n, upTo, seconds(from, to), true
		return w
	}
	runRows(t, []row{
		// The error shows what was presented, next to Entra ID's answer.
		{name: "700213", then: always(700213), want: refusal(401, "invalid_client", 700213, presented...)},
		{name: "7002138", then: always(7002138), with: eventually, want: refusal(401, "invalid_client", 7002138, presented...)},
		{name: "700016", then: always(700016), with: eventually, want: refusal(400, "unauthorized_client", 700016, clientID)},
		{name: "an unknown code", then: always(4242424), with: eventually, want: refusal(400, "invalid_request", 4242424)},

		// The endpoint says that the token is stale, but the file has not changed: no retry.
		{name: "700024", then: always(700024), with: eventually, want: refusal(401, "invalid_client", 700024, "valid time range", "expiry")},

		// Eventually consistent: retried for 15 s, or until it succeeds.
		{name: "700213 clears up", first: times(3, entratest.Refuse(700213)), with: eventually, want: want{token: true, requests: 4, waited: seconds(5, 14)}},
		{name: "90033 with 400 clears up", first: times(1, asStatus(400, 90033)), with: eventually, want: want{token: true, requests: 2, waited: seconds(3.5, 10)}},
		{name: "700213 does not clear up", then: always(700213), with: eventually, want: tries(refusal(401, "invalid_client", 700213, presented...), 3, 8, 10, 15.1)},
		{name: "PropagationTimeout of 4 s", then: always(700213), with: func(r *rig) { r.options.PropagationTimeout = 4 * time.Second },
			want: tries(refusal(401, "invalid_client", 700213), 2, 5, 3, 4.1)},

		// Odd forms of an error.
		{name: "an error that is an object", then: reply(400, `{"error":{"code":"x","message":"not OAuth"}}`), want: want{status: 400, requests: 1, words: []string{"not OAuth"}}},
		{name: "many lines, colors and controls", then: reply(400, `{"error":"invalid_request","error_description":"AADSTS90002: a\r\nb\tc\u001b[31md\u0000e\u202ef"}`),
			want: refusal(400, "invalid_request", 90002, "AADSTS90002: a b c")},
		{name: "50 kB of description", then: reply(400, `{"error":"invalid_request","error_description":"`+strings.Repeat("long ", 10_000)+`"}`),
			want: want{status: 400, code: "invalid_request", requests: 1}},

		// An error member makes a reply an error, whatever the status.
		{name: "200 with an error", then: reply(200, success(`,"error":"invalid_client","error_codes":[700213]`)), want: refusal(200, "invalid_client", 700213)},
		{name: "500 with a token", then: reply(500, success("")), want: want{status: 500, requests: 4}},
	})
}

func TestRedirects(t *testing.T) {
	refused := func(status int) want {
		return want{status: status, requests: 1, waited: seconds(0, 0), words: []string{`"evil.example"`, "redirect", "not followed"}}
	}
	const elsewhere = "Location: https://evil.example/collect?x=1"
	runRows(t, []row{
		{name: "302", then: reply(302, "", elsewhere), want: refused(302)},
		{name: "307", then: reply(307, "", elsewhere), want: refused(307)},
		{name: "a transport that followed one", do: func(r *http.Request) (*http.Response, error) {
			resp := response(200, success(""))
			resp.Request = r.Clone(context.WithoutCancel(r.Context()))
			resp.Request.URL.Host, resp.Request.Response = "evil.example", response(307, "")
			return resp, nil
		}, want: want{requests: 1, waited: seconds(0, 0), words: []string{"evil.example", "redirect"}}},
	})
}

func TestSlowness(t *testing.T) {
	slow := func(d time.Duration) entratest.Reply { return entratest.Reply{Delay: d} }
	// 10.5 s for each try.
	tooLate := want{is: []error{context.DeadlineExceeded}, requests: 3, waited: seconds(30, 30.1)}
	runRows(t, []row{
		{name: "slow", first: times(1, slow(5*time.Second)), want: want{token: true, requests: 1, waited: seconds(5, 5)}},
		{name: "just in time", first: times(1, slow(10*time.Second-time.Millisecond)), want: want{token: true, requests: 1, waited: seconds(9.9, 10)}},
		{name: "too slow once", first: times(1, slow(time.Minute)), want: want{token: true, requests: 2, waited: seconds(10.5, 11.6)}},
		{name: "too slow", first: times(3, slow(time.Minute)), want: tooLate},
		{name: "hang", then: &entratest.Reply{Hang: true}, want: tooLate},
		{name: "hang after an error", first: []entratest.Reply{*unavailable(500), {Hang: true}}, want: want{token: true, requests: 3, waited: seconds(12.5, 15)}},
		{name: "a body that hangs", do: func(r *http.Request) (*http.Response, error) {
			resp := response(200, "")
			resp.Body, resp.Request = hangingBody{r.Context()}, r
			return resp, nil
		}, want: want{status: 200, is: []error{context.DeadlineExceeded}, requests: 1, waited: seconds(10.5, 10.6)}},
	})
}

type hangingBody struct{ ctx context.Context }

func (b hangingBody) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (hangingBody) Close() error { return nil }

// TestEchoes has the endpoint quote the assertion. The recorder must not find it anywhere.
func TestEchoes(t *testing.T) {
	runRows(t, []row{
		{name: "in the description", do: echo(func(a string) *http.Response {
			return response(401, `{"error":"invalid_client","error_description":"AADSTS700213: `+a+`"}`, jsonType)
		}), want: want{status: 401, code: "invalid_client", codes: []int{700213}, requests: 1, words: []string{"[redacted]"}}},
		{name: "as the code", do: echo(func(a string) *http.Response {
			return response(400, `{"error":"`+a+`","trace_id":"`+a+`","correlation_id":"`+a+`","suberror":"`+a+`","claims":"`+a+`"}`, jsonType)
		}), want: want{status: 400, code: "[redacted]…", requests: 1}},
		{name: "on a page", do: echo(func(a string) *http.Response {
			return response(403, "<html>blocked: client_assertion="+a+"&grant_type=client_credentials</html>", html)
		}), want: want{status: 403, requests: 1, words: []string{"[redacted]"}}},
		{name: "in the status line and headers", do: echo(func(a string) *http.Response {
			resp := response(400, "", "X-Echo: "+a, "X-Ms-Request-Id: "+a, "Client-Request-Id: "+a, "Content-Type: "+a)
			resp.Status = "400 " + a
			return resp
		}), want: want{status: 400, requests: 1}},
		{name: "in a redirect", do: echo(func(a string) *http.Response {
			return response(302, "", "Location: https://"+a[len(a)-40:]+".evil.example/?a="+a)
		}), want: want{status: 302, requests: 1}},
		{name: "in a retried reply", do: echo(func(a string) *http.Response { return response(503, a) }), want: want{status: 503, requests: 4}},
		{name: "in an error of the transport", do: func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			return nil, errors.New("cannot send " + string(body))
		}, want: want{requests: 1}},
	})
}

func TestTransportErrors(t *testing.T) {
	broken := errors.New("the transport is out of order")
	runRows(t, []row{
		{name: "an error", then: &entratest.Reply{Err: broken}, want: want{is: []error{broken}, words: []string{"https://login.microsoftonline.com/"}, requests: 4}},
		{name: "neither reply nor error", do: func(*http.Request) (*http.Response, error) { return nil, nil }, want: want{requests: 1, upTo: 4}},
		{name: "a body that fails", do: func(r *http.Request) (*http.Response, error) {
			resp := response(200, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(success("")[:30]), failing{broken}))
			return resp, nil
		}, want: want{status: 200, is: []error{broken}, requests: 1}},
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
