package entratest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// response is a reply on its way out, to a caller of Do or through a ResponseWriter.
type response struct {
	status int
	header http.Header
	body   []byte
}

// respond makes a response with the headers recorded from login.microsoftonline.com.
func respond(c *call, status int, body []byte) *response {
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
	return &response{status: status, header: h, body: body}
}

func respondJSON(c *call, status int, value any) *response {
	return respond(c, status, encode(value))
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("entratest: encoding a reply: " + err.Error()) // cannot be: replies are plain structs
	}
	return text
}

func (p *response) writeTo(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body) // the client may be gone, and some statuses allow no body
}

// roundTrip answers a request with the manners of a transport.
func roundTrip(r *http.Request, answer func(*http.Request) (*response, error)) (*http.Response, error) {
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

func (p *response) toHTTP(r *http.Request) *http.Response {
	body := p.body
	if r.Method == http.MethodHead {
		body = nil // its length is told all the same
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

// responseWriter keeps what a handler answers. That of net/http/httptest would do, but importing it adds a flag to the program's
// command line.
type responseWriter struct{ response }

func (w *responseWriter) Header() http.Header    { return w.header }
func (w *responseWriter) WriteHeader(status int) { w.status = status }
func (w *responseWriter) Write(p []byte) (int, error) {
	w.body = append(w.body, p...)
	return len(p), nil
}

// seconds renders a Retry-After, rounded up: a client that waits less than it was told has a bug, and rounding must not hide it.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
