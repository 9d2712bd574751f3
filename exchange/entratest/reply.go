package entratest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Reply is a scripted reply to a token request. A Reply with a Status, an Err or Hang replaces the
// judgment of the request. Any other Reply only delays the request, which is then judged as usual.
type Reply struct {
	Status int         // HTTP status
	Header http.Header // replaces Entra's headers of the same names; a name without values removes one
	Body   string

	Delay time.Duration // before the reply or Err, in addition to the server's delay
	Hang  bool          // never reply; only the request's context ends the wait
	Err   error         // Do returns it instead of a reply; ServeHTTP drops the connection

	code int // AADSTS code for an empty Body, which then depends on the request and the time
}

// Refuse returns Entra's error reply for an AADSTS code, with Entra's status, OAuth error and,
// where it is known, wording. The wording is filled in from the request that receives it. If a code
// has been seen with two statuses, Refuse uses the newer; set Status for the other. An unknown code
// gets 400 invalid_request and a generic sentence.
func Refuse(code int) Reply { return Reply{Status: wordingOf(code).status, code: code} }

// Throttle returns Entra's reply to too many requests: 429 in plain text
// (AzureAD/microsoft-authentication-library-for-dotnet#2855). If retryAfter is positive, the reply
// has a Retry-After in seconds, rounded up.
func Throttle(retryAfter time.Duration) Reply {
	reply := Reply{Status: http.StatusTooManyRequests, Body: "Too Many Requests", Header: http.Header{}}
	reply.Header.Set("Content-Type", "text/plain; charset=utf-8")
	return reply.retryAfter(retryAfter)
}

// Unavailable returns the reply of an overloaded Entra: 503 temporarily_unavailable. If retryAfter
// is positive, the reply has a Retry-After in seconds, rounded up.
func Unavailable(retryAfter time.Duration) Reply {
	reply := Refuse(90033)
	reply.Header = http.Header{}
	return reply.retryAfter(retryAfter)
}

// Enqueue scripts the replies to the next token requests, one each, in order. Later requests are
// served as before.
func (s *Server) Enqueue(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, reply := range replies {
		s.queue = append(s.queue, reply.clone())
	}
}

// SetReply scripts the reply to every token request until SetReply(nil), for an outage. Queued
// replies come first.
func (s *Server) SetReply(reply *Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing = nil
	if reply != nil {
		held := reply.clone()
		s.standing = &held
	}
}

// SetDelay makes every token request that arrives from now on wait for d before its reply. The
// default is 0, no delay.
func (s *Server) SetDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// ResetReplies drops everything scripted: queued replies, the reply of SetReply, and the delay.
// Requests are then served as usual.
func (s *Server) ResetReplies() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.standing, s.delay = nil, nil, 0
}

func (p Reply) clone() Reply {
	p.Header = p.Header.Clone()
	return p
}

func (p Reply) retryAfter(d time.Duration) Reply {
	if d > 0 {
		p.Header.Set("Retry-After", seconds(d))
	}
	return p
}

// hold waits as scripted. It returns an error if there will be no reply.
func (p Reply) hold(ctx context.Context) error {
	if p.Hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := sleep(ctx, p.Delay); err != nil {
		return err
	}
	return p.Err
}

func (p Reply) replyTo(c *call) *reply {
	out := newReply(c, p.Status, []byte(p.Body))
	if p.code != 0 && p.Body == "" {
		out = c.refused(&refusal{code: p.code})
		out.status = p.Status
	}
	for name, values := range p.Header {
		out.header.Del(name)
		for _, value := range values {
			out.header.Add(name, value)
		}
	}
	return out
}

// reply is a reply to be returned by Do or written to a ResponseWriter.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// newReply returns a reply with headers recorded from login.microsoftonline.com.
func newReply(c *call, status int, body []byte) *reply {
	h := http.Header{}
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Expires", "-1")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("P3P", `CP="DSP CUR OTPi IND OTRi ONL FIN"`)
	h.Set("X-Ms-Request-Id", c.traceID)
	h.Set("X-Ms-Ests-Server", "2.1.11513.17 - WUS2 ProdSlices")
	h.Set("Date", c.now.UTC().Format(http.TimeFormat))
	if c.echoes() {
		h.Set("Client-Request-Id", c.CorrelationID)
	}
	return &reply{status: status, header: h, body: body}
}

func newJSONReply(c *call, status int, value any) *reply {
	return newReply(c, status, encode(value))
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("entratest: encoding a reply: " + err.Error()) // cannot happen: replies are plain structs
	}
	return text
}

func (p *reply) writeTo(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body) // the client may be gone, or the status may not allow a body
}

// roundTrip answers a request as a transport must: it closes the body and respects the context.
func roundTrip(r *http.Request, answer func(*http.Request) (*reply, error)) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	reply, err := answer(r)
	if err != nil {
		return nil, err
	}
	return reply.toHTTP(r), nil
}

func (p *reply) toHTTP(r *http.Request) *http.Response {
	body := p.body
	if r.Method == http.MethodHead {
		body = nil // ContentLength still reports its length
	}
	return &http.Response{
		Status:        strings.TrimSpace(strconv.Itoa(p.status) + " " + http.StatusText(p.status)),
		StatusCode:    p.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        p.header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(p.body)),
		Request:       r,
	}
}

// replyWriter records a handler's reply. It replaces net/http/httptest's recorder, because
// importing httptest adds a flag to the program's command line.
type replyWriter struct{ reply }

func (w *replyWriter) Header() http.Header    { return w.header }
func (w *replyWriter) WriteHeader(status int) { w.status = status }
func (w *replyWriter) Write(p []byte) (int, error) {
	w.body = append(w.body, p...)
	return len(p), nil
}

// seconds formats a Retry-After. It rounds up, because half a second rounded down would ask for
// no wait.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
