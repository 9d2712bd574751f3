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
	soon     = "Retry-After: 2" // short enough to be waited for within an exchange
	later    = "Retry-After: 60"
)

// unavailable is what is retried within an exchange, at Entra's and azcore's pace.
func unavailable(status int, header ...string) *entratest.Reply {
	return reply(status, page, append(header, html)...)
}

// eventually lets a refusal be retried for the default time, in which a new federated credential becomes known everywhere.
func eventually(r *rig) { r.options.PropagationTimeout = 0 }

// asStatus is a refusal with another status.
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

// echo answers with the assertion in a place of the reply's.
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
	blocked := []string{"text/html", "Ask your administrator."}
	runRows(t, []row{
		// Final: one request.
		{name: "201", then: reply(201, success("")), want: want{status: 201, requests: 1, words: []string{"HTTP 201"}}},
		{name: "202", then: reply(202, ""), want: want{status: 202, requests: 1}},
		{name: "204", then: reply(204, ""), want: want{status: 204, requests: 1}},
		{name: "206", then: reply(206, success(""), "Content-Range: bytes 0-9/10"), want: want{status: 206, requests: 1}},
		{name: "400 without a body", then: reply(400, ""), want: want{status: 400, requests: 1, words: []string{"HTTP 400"}}},
		{name: "401 of something in between", then: reply(401, page, html), want: want{status: 401, requests: 1, words: blocked}},
		{name: "403 of a firewall", then: reply(403, page, html), want: want{status: 403, requests: 1, words: blocked}},
		{name: "404", then: reply(404, page, html), want: want{status: 404, requests: 1, words: blocked}},
		{name: "405", then: reply(405, page, html), want: want{status: 405, requests: 1, words: blocked}},
		{name: "407", then: reply(407, page, html), want: want{status: 407, requests: 1, words: blocked}},
		{name: "413", then: reply(413, ""), want: want{status: 413, requests: 1}},
		{name: "421", then: reply(421, ""), want: want{status: 421, requests: 1}},
		{name: "431", then: reply(431, ""), want: want{status: 431, requests: 1}},
		{name: "451", then: reply(451, page, html), want: want{status: 451, requests: 1, words: blocked}},
		{name: "501", then: reply(501, page, html), want: want{status: 501, requests: 1, words: blocked}},
		{name: "599", then: reply(599, ""), want: want{status: 599, requests: 1, words: []string{"HTTP 599"}}},
		{name: "999", then: reply(999, ""), want: want{status: 999, requests: 1, words: []string{"HTTP 999"}}},

		// Retried within the exchange: azcore's four requests.
		{name: "408", then: unavailable(408), want: want{status: 408, requests: 4, words: blocked, waited: seconds(4, 14)}},
		{name: "500", then: unavailable(500), want: want{status: 500, requests: 4, words: blocked, waited: seconds(4, 14)}},
		{name: "502", then: unavailable(502), want: want{status: 502, requests: 4, words: blocked, waited: seconds(4, 14)}},
		{name: "503", then: unavailable(503), want: want{status: 503, requests: 4, words: blocked, waited: seconds(4, 14)}},
		{name: "504", then: unavailable(504), want: want{status: 504, requests: 4, words: blocked, waited: seconds(4, 14)}},
		{name: "500 but once", first: times(1, *unavailable(500)), want: want{token: true, requests: 2, waited: seconds(0.6, 1.1)}},
		{name: "502 three times", first: times(3, *unavailable(502)), want: want{token: true, requests: 4, waited: seconds(4, 14)}},
		{name: "retries are the caller's to set", then: unavailable(500), with: func(r *rig) { r.options.Retry.MaxRetries = -1 }, want: want{status: 500, requests: 1, waited: seconds(0, 0)}},
	})
}

func TestThrottling(t *testing.T) {
	const many = "Too Many Requests"
	at := func(d time.Duration) doFunc { // as a date, by the reply's own clock
		return func(r *http.Request) (*http.Response, error) {
			now := time.Now().UTC()
			resp := response(429, many, "Date: "+now.Format(http.TimeFormat), "Retry-After: "+now.Add(d).Format(http.TimeFormat))
			resp.Request = r
			return resp, nil
		}
	}
	throttled := want{status: 429, words: []string{many}, requests: 4, waited: seconds(4, 14)}
	obeyed := func(w want, from, to float64) want {
		w.requests, w.waited, w.pause, w.ordered = 1, seconds(0, 0), seconds(from, to), true
		return w
	}
	overloaded := want{status: 503, code: "temporarily_unavailable", codes: []int{90033}, words: []string{"AADSTS90033"}}
	runRows(t, []row{
		{name: "429 alone", then: reply(429, many), want: throttled},
		{name: "in seconds", then: reply(429, many, later), want: obeyed(throttled, 60, 72)},
		{name: "as a date", do: at(time.Minute), want: obeyed(throttled, 60, 72)},
		{name: "as a date long past", do: at(-time.Hour), want: throttled},
		{name: "as a date years ahead", do: at(50_000 * time.Hour), want: obeyed(throttled, 3600, 3600)},
		{name: "in milliseconds", then: reply(429, many, "Retry-After-Ms: 90000"), want: obeyed(throttled, 90, 108)},
		{name: "in Azure's milliseconds", then: reply(429, many, "X-Ms-Retry-After-Ms: 90000"), want: obeyed(throttled, 90, 108)},
		{name: "two hours", then: reply(429, many, "Retry-After: 7200"), want: obeyed(throttled, 3600, 3600)},
		{name: "ages", then: reply(429, many, "Retry-After: 99999999"), want: obeyed(throttled, 3600, 3600)},
		{name: "out of a duration's range", then: reply(429, many, "Retry-After: 99999999999"), want: obeyed(throttled, 3600, 3600)},
		{name: "out of an integer's range", then: reply(429, many, "Retry-After: 99999999999999999999999"), want: obeyed(throttled, 3600, 3600)},
		{name: "garbage", then: reply(429, many, "Retry-After: in a minute"), want: throttled},
		{name: "empty", then: reply(429, many, "Retry-After:"), want: throttled},
		{name: "zero", then: reply(429, many, "Retry-After: 0"), want: throttled},
		{name: "negative", then: reply(429, many, "Retry-After: -60"), want: throttled},
		{name: "just longer than anybody waits", then: reply(429, many, "Retry-After: 6"), want: obeyed(throttled, 6, 7.2)},
		{name: "waited for within the exchange", first: times(1, *reply(429, many, soon)), want: want{token: true, requests: 2, waited: seconds(2, 2)}},
		{name: "short but for ever", then: reply(429, many, soon), want: want{status: 429, requests: 4, waited: seconds(6, 6), pause: seconds(2, 2.4), ordered: true}},

		{name: "503 in seconds", then: new(entratest.Unavailable(time.Minute)), want: obeyed(overloaded, 60, 72)},
		{name: "503 waited for", first: times(2, entratest.Unavailable(3*time.Second)), want: want{token: true, requests: 3, waited: seconds(6, 6)}},
		{name: "503 alone", then: new(entratest.Unavailable(0)), want: want{status: 503, code: "temporarily_unavailable", codes: []int{90033}, requests: 4}},
		{name: "Retry-After that no one sends with 500", then: unavailable(500, later), want: want{status: 500, requests: 1}},
		{name: "Retry-After with 401", then: reply(401, "", later), want: want{status: 401, requests: 1}},
		{name: "a loop is detected", then: new(entratest.Refuse(50196)), want: want{status: 400, code: "invalid_grant", codes: []int{50196}, requests: 1}},
	})
}

func TestRefusals(t *testing.T) {
	refusal := func(status int, code string, aadsts int, words ...string) want {
		return want{status: status, code: code, codes: []int{aadsts}, requests: 1, waited: seconds(0, 0), words: words}
	}
	request, client := refusal(400, "invalid_request", 0), refusal(401, "invalid_client", 0)
	of := func(w want, aadsts int, words ...string) want {
		w.codes, w.words = []int{aadsts}, words
		return w
	}
	presented := []string{entratest.DefaultIssuer, "system:serviceaccount:shop:orders", "api://AzureADTokenExchange", "presented"}
	always := func(code int) *entratest.Reply { return new(entratest.Refuse(code)) }
	tries := func(w want, n, upTo int) want {
		w.requests, w.upTo, w.waited = n, upTo, seconds(10, 15.1)
		return w
	}
	runRows(t, []row{
		// What was presented stands next to what Entra ID said.
		{name: "70021", then: always(70021), want: of(client, 70021, append(presented, "AADSTS70021")...)},
		{name: "70021 as it was", then: new(asStatus(400, 70021)), want: of(client.with(400, "invalid_client"), 70021, presented...)},
		{name: "700211", then: always(700211), want: of(client, 700211, presented...)},
		{name: "700212", then: always(700212), with: eventually, want: of(client, 700212, presented...)},
		{name: "700213", then: always(700213), want: of(client, 700213, presented...)},
		{name: "7002138", then: always(7002138), with: eventually, want: of(client, 7002138, presented...)},
		{name: "70025", then: always(70025), want: of(client, 70025, "no configured federated identity credentials")},
		{name: "70023", then: always(70023), with: eventually, want: of(request, 70023, "expiry")},
		{name: "7000274", then: always(7000274), with: eventually, want: of(client, 7000274)},
		{name: "700016", then: always(700016), with: eventually, want: refusal(400, "unauthorized_client", 700016, clientID)},
		{name: "90002", then: always(90002), with: eventually, want: refusal(400, "invalid_tenant", 90002, tenantID)},
		{name: "500011", then: always(500011), with: eventually, want: refusal(400, "invalid_resource", 500011, "resource principal")},
		{name: "1002012", then: always(1002012), with: eventually, want: refusal(400, "invalid_scope", 1002012, "/.default")},
		{name: "53003", then: always(53003), with: eventually, want: of(request, 53003, "Conditional Access")},
		{name: "7000112", then: always(7000112), with: eventually, want: of(client, 7000112, "disabled")},
		{name: "a code nobody knows", then: always(4242424), with: eventually, want: of(request, 4242424)},

		// Stale by the endpoint's word, but the file has not changed: once is enough.
		{name: "700024", then: always(700024), with: eventually, want: of(client, 700024, "valid time range", "expiry")},
		{name: "50027", then: always(50027), with: eventually, want: of(request, 50027)},
		{name: "7000216", then: always(7000216), with: eventually, want: of(client, 7000216)},

		// Eventually consistent: retried for 15 s, or until it passes.
		{name: "70021 passes", first: times(2, entratest.Refuse(70021)), with: eventually, want: want{token: true, requests: 3, waited: seconds(2, 6)}},
		{name: "700213 passes", first: times(3, entratest.Refuse(700213)), with: eventually, want: want{token: true, requests: 4, waited: seconds(5, 14)}},
		{name: "70025 passes", first: times(1, entratest.Refuse(70025)), with: eventually, want: want{token: true, requests: 2, waited: seconds(0.7, 2)}},
		{name: "7000272 passes", first: times(1, entratest.Refuse(7000272)), with: eventually, want: want{token: true, requests: 2, waited: seconds(0.7, 2)}},
		{name: "90061 passes", first: times(1, entratest.Refuse(90061)), with: eventually, want: want{token: true, requests: 2, waited: seconds(0.7, 2)}},
		{name: "50166 passes", first: times(1, entratest.Refuse(50166)), with: eventually, want: want{token: true, requests: 2, waited: seconds(0.7, 2)}},
		{name: "90033 with 400 passes", first: times(1, asStatus(400, 90033)), with: eventually, want: want{token: true, requests: 2, waited: seconds(3.5, 10)}},
		{name: "700213 does not pass", then: always(700213), with: eventually, want: tries(of(client, 700213, presented...), 3, 8)},
		{name: "90061 does not pass", then: always(90061), with: eventually, want: tries(of(request, 90061), 3, 8)},
		{name: "PropagationTimeout of 4 s", then: always(700213), with: func(r *rig) { r.options.PropagationTimeout = 4 * time.Second },
			want: want{status: 401, code: "invalid_client", codes: []int{700213}, requests: 2, upTo: 5, waited: seconds(3, 4.1)}},

		// Shapes.
		{name: "claims of the token endpoint's own", then: reply(400, `{"error":"interaction_required","suberror":"basic_action","error_codes":[50076],"error_description":"AADSTS50076: x","claims":"{}"}`),
			want: refusal(400, "interaction_required", 50076, "interaction_required/basic_action")},
		{name: "codes as strings", then: reply(400, `{"error":"invalid_request","error_codes":["90002"],"error_description":"AADSTS90002: x"}`), want: of(request, 90002)},
		{name: "no codes", then: reply(400, `{"error":"invalid_request","error_description":"x"}`), want: want{status: 400, code: "invalid_request", requests: 1}},
		{name: "thousands of codes", then: reply(400, `{"error":"invalid_request","error_codes":[`+strings.Repeat("1,", 50_000)+`1]}`),
			want: want{status: 400, code: "invalid_request", codes: []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, requests: 1}},
		{name: "an error that is an object", then: reply(400, `{"error":{"code":"x","message":"not OAuth"}}`), want: want{status: 400, requests: 1, words: []string{"not OAuth"}}},
		{name: "many lines, colours and controls", then: reply(400, `{"error":"invalid_request","error_description":"AADSTS90002: a\r\nb\tc\u001b[31md\u0000e\u202ef"}`),
			want: of(request, 90002, "AADSTS90002: a b c")},
		{name: "50 kB of description", then: reply(400, `{"error":"invalid_request","error_description":"`+strings.Repeat("long ", 10_000)+`"}`),
			want: want{status: 400, code: "invalid_request", requests: 1}},
		{name: "bad UTF-8", then: reply(400, "{\"error\":\"invalid_request\",\"error_description\":\"\xff\xfe\"}"), want: want{status: 400, code: "invalid_request", requests: 1}},

		// An error is one whatever the status.
		{name: "200 with an error", then: reply(200, success(`,"error":"invalid_client","error_codes":[700213]`)), want: refusal(200, "invalid_client", 700213)},
		{name: "200 with an error that is a number", then: reply(200, success(`,"error":1`)), want: want{status: 200, requests: 1}},
		{name: "500 with a token", then: reply(500, success("")), want: want{status: 500, requests: 4}},
		{name: "401 with a token", then: reply(401, success("")), want: want{status: 401, requests: 1}},
	})
}

// with changes status and code.
func (w want) with(status int, code string) want {
	w.status, w.code = status, code
	return w
}

func TestRedirects(t *testing.T) {
	refused := func(status int) want {
		return want{status: status, requests: 1, waited: seconds(0, 0), words: []string{`"evil.example"`, "redirect", "not followed"}}
	}
	const elsewhere = "Location: https://evil.example/collect?x=1"
	runRows(t, []row{
		{name: "301", then: reply(301, "", elsewhere), want: refused(301)},
		{name: "302", then: reply(302, "", elsewhere), want: refused(302)},
		{name: "303", then: reply(303, "", elsewhere), want: refused(303)},
		{name: "307", then: reply(307, "", elsewhere), want: refused(307)},
		{name: "308", then: reply(308, page, elsewhere, html), want: refused(308)},
		{name: "nowhere", then: reply(302, ""), want: want{status: 302, requests: 1}},
		{name: "to nonsense", then: reply(302, "", "Location: ://%zz"), want: want{status: 302, requests: 1}},
		{name: "not modified", then: reply(304, ""), want: want{status: 304, requests: 1}},
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
	tooLate := want{is: []error{context.DeadlineExceeded}, requests: 1, waited: seconds(30, 30.1)}
	runRows(t, []row{
		{name: "slow", first: times(1, slow(20*time.Second)), want: want{token: true, requests: 1, waited: seconds(20, 20)}},
		{name: "just in time", first: times(1, slow(30*time.Second-time.Millisecond)), want: want{token: true, requests: 1, waited: seconds(29, 30)}},
		{name: "too slow", first: times(1, slow(time.Minute)), want: tooLate},
		{name: "hang", then: &entratest.Reply{Hang: true}, want: tooLate},
		{name: "hang after an error", first: []entratest.Reply{*unavailable(500), {Hang: true}}, want: want{is: []error{context.DeadlineExceeded}, requests: 2, waited: seconds(30, 30.1)}},
		{name: "a body that hangs", do: func(r *http.Request) (*http.Response, error) {
			resp := response(200, "")
			resp.Body, resp.Request = hangingBody{r.Context()}, r
			return resp, nil
		}, want: want{status: 200, is: []error{context.DeadlineExceeded}, requests: 1, waited: seconds(30, 30.1)}},
	})
}

type hangingBody struct{ ctx context.Context }

func (b hangingBody) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (hangingBody) Close() error { return nil }

// Echoes of the assertion are for the recorder to find.
func TestEchoes(t *testing.T) {
	runRows(t, []row{
		{name: "in the description", do: echo(func(a string) *http.Response {
			return response(401, `{"error":"invalid_client","error_description":"AADSTS700213: `+a+`"}`, jsonType)
		}), want: want{status: 401, code: "invalid_client", codes: []int{700213}, requests: 1, words: []string{"[redacted]"}}},
		{name: "its signature, as a word", do: echo(func(a string) *http.Response {
			return response(401, `{"error":"invalid_client","error_description":"signature `+a[strings.LastIndex(a, ".")+1:]+`"}`, jsonType)
		}), want: want{status: 401, code: "invalid_client", requests: 1}},
		{name: "as the code", do: echo(func(a string) *http.Response {
			return response(400, `{"error":"`+a+`","trace_id":"`+a+`","correlation_id":"`+a+`","suberror":"`+a+`","claims":"`+a+`"}`, jsonType)
		}), want: want{status: 400, code: "[redacted]…", requests: 1}},
		{name: "on a page", do: echo(func(a string) *http.Response {
			return response(403, "<html>blocked: client_assertion="+a+"&grant_type=client_credentials</html>", html)
		}), want: want{status: 403, requests: 1, words: []string{"[redacted]"}}},
		{name: "in headers", do: echo(func(a string) *http.Response {
			return response(400, "", "X-Echo: "+a, "X-Ms-Request-Id: "+a, "Client-Request-Id: "+a, "Content-Type: "+a)
		}), want: want{status: 400, requests: 1}},
		{name: "in the status line", do: echo(func(a string) *http.Response {
			resp := response(400, "")
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
		{name: "an error but once", first: times(1, entratest.Reply{Err: broken}), want: want{token: true, requests: 2}},
		{name: "neither reply nor error", do: func(*http.Request) (*http.Response, error) { return nil, nil }, want: want{requests: 1, upTo: 4}},
		{name: "a reply without anything", do: func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil }, want: want{status: 200, requests: 1}},
		{name: "a body that fails", do: func(r *http.Request) (*http.Response, error) {
			resp := response(200, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(success("")[:30]), failing{broken}))
			return resp, nil
		}, want: want{status: 200, is: []error{broken}, requests: 1}},
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
