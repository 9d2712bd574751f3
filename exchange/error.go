package exchange

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/redact"
)

// Error is a reply that refused the request or that could not be used: the fields of RFC 6749 section 5.2 and those that
// Entra ID adds. Texts are cleaned when the reply is read: one line but for Claims, bounded, nothing of the assertion in them.
//
// Programs branch on Code and StatusCode. Microsoft asks them not to on EntraCodes, which may change.
type Error struct {
	StatusCode  int    // HTTP status
	Code        string // OAuth error, such as "invalid_client"; empty if the reply was none of OAuth's
	Description string // what Entra ID says about it, beginning with an AADSTS code
	EntraCodes  []int  // AADSTS codes, such as 700213
	SubError    string // Entra ID's suberror
	Claims      string // a claims challenge of the token endpoint's own, as it came; empty if over 64 KiB, or with a token in it

	TraceID       string    // of the reply
	CorrelationID string    // of the request: the field by which Entra ID's logs find it
	Timestamp     time.Time // when Entra ID refused, by its clock; zero if not told
	Date          time.Time // of the reply, by its header: what a clock that is off shows by; zero if not told

	RetryAfter time.Duration // the pause that the reply asked for; zero if none

	reply   string // status and media type
	target  string // host that a redirect leads to
	excerpt string // of a reply that is none of OAuth's
	problem string // with a reply that looked like a success
	cause   error  // why the reply could not be read to its end, or was not waited for
}

// unreadable is the error for a reply whose body could not be read to its end; its status and headers still count.
func unreadable(resp *http.Response, cause error, secrets redact.Redactor) *Error {
	e := newError(resp, nil, nil, secrets)
	e.cause = secrets.Error(cause)
	return e
}

// Unwrap returns why the reply could not be read to its end, if that is the error.
func (e *Error) Unwrap() error { return e.cause }

// newError reads a reply that is not a success. reply may be nil.
func newError(resp *http.Response, reply members, body []byte, secrets redact.Redactor) *Error {
	name := func(s string) string { return secrets.Text(s, redact.MaxName) }
	e := &Error{
		StatusCode:    resp.StatusCode,
		Code:          name(reply.text("error")),
		Description:   secrets.Text(reply.text("error_description"), redact.MaxText),
		SubError:      name(reply.text("suberror")),
		Claims:        claimsOf(reply, secrets),
		TraceID:       cmp.Or(name(reply.text("trace_id")), name(resp.Header.Get("x-ms-request-id"))),
		CorrelationID: cmp.Or(name(reply.text("correlation_id")), name(resp.Header.Get("client-request-id"))),
		RetryAfter:    retryAfter(resp.Header),
		reply:         secrets.Text(describe(resp), redact.MaxText),
	}
	e.EntraCodes = entraCodes(reply["error_codes"], e.Description)
	e.Timestamp, _ = time.Parse("2006-01-02 15:04:05Z", reply.text("timestamp"))
	e.Date, _ = http.ParseTime(resp.Header.Get("Date"))
	if location, err := resp.Location(); err == nil {
		e.target = name(location.Host)
	}
	if e.Code == "" && resp.StatusCode >= http.StatusBadRequest {
		e.excerpt = excerpt(string(body), secrets)
	}
	return e
}

// claimsOf returns the challenge for a program to answer, so all of it or nothing.
func claimsOf(reply members, secrets redact.Redactor) string {
	claims := reply.text("claims")
	if len(claims) > 64<<10 || secrets.Clean(claims) != claims {
		return ""
	}
	return claims
}

// excerpt returns the beginning of a body that says why something in between refused the request, unless it could be a
// success that came with the wrong status: it names a token, in whatever spelling or disguise, and has what gives a name a value.
func excerpt(body string, secrets redact.Redactor) string {
	named := strings.Contains(strings.ToLower(body), "token") || strings.Contains(body, `\u`)
	if named && strings.ContainsAny(body, ":=<") {
		return ""
	}
	return secrets.Text(body, 200)
}

// codePattern finds the code in a description, for replies without error_codes.
var codePattern = regexp.MustCompile(`^AADSTS(\d{4,9})\b`)

func entraCodes(raw json.RawMessage, description string) []int {
	var codes []int
	if json.Unmarshal(raw, &codes) == nil && len(codes) > 0 {
		return codes[:min(len(codes), 10)]
	}
	if match := codePattern.FindStringSubmatch(description); match != nil {
		code, _ := strconv.Atoi(match[1])
		return []int{code}
	}
	return nil
}

// maxRetryAfter bounds what a reply may ask for. It overflows nothing; how long to heed it is for the caller to say.
const maxRetryAfter = 48 * time.Hour

// retryAfter reads the headers that azcore's retry policy heeds, too. A date counts from the reply's own, so that a wrong
// clock here does not matter.
func retryAfter(h http.Header) time.Duration {
	for _, header := range []struct {
		name string
		unit time.Duration
	}{{"Retry-After-Ms", time.Millisecond}, {"X-Ms-Retry-After-Ms", time.Millisecond}, {"Retry-After", time.Second}} {
		value := strings.TrimSpace(h.Get(header.name))
		if n, _ := strconv.ParseUint(value, 10, 64); n > 0 { // out of range is the largest number, no number is 0
			return time.Duration(min(n, uint64(maxRetryAfter/header.unit))) * header.unit // #nosec G115 -- both are at most maxRetryAfter
		}
		if at, err := http.ParseTime(value); err == nil {
			now, err := http.ParseTime(h.Get("Date"))
			if err != nil {
				now = time.Now()
			}
			return max(0, min(at.Sub(now), maxRetryAfter))
		}
	}
	return 0
}

// Error returns one line: what was refused, Entra ID's sentence, and the IDs by which its logs find the request.
func (e *Error) Error() string {
	reply := cmp.Or(e.reply, fmt.Sprintf("HTTP %d", e.StatusCode)) // which only one made by hand, in a test, lacks
	text := reply + ": " + e.reason()
	for _, detail := range []struct{ name, value string }{
		{"correlation ID", e.CorrelationID}, {"trace ID", e.TraceID}, {"time", e.time()}, {"Retry-After", e.pause()},
	} {
		if detail.value != "" {
			text += "; " + detail.name + " " + detail.value
		}
	}
	return redact.OneLine(text) // for one made by hand
}

func (e *Error) reason() string {
	switch {
	case e.Code != "":
		return e.refusal()
	case e.cause != nil:
		return e.cause.Error()
	case e.problem != "":
		return "the reply cannot be used: " + e.problem
	case e.target != "" && e.StatusCode >= 300 && e.StatusCode < 400:
		return fmt.Sprintf("a redirect to %q, which is not followed: the assertion goes to the configured authority only", e.target)
	case e.excerpt != "":
		return strconv.Quote(e.excerpt)
	}
	return "the reply is not that of a token endpoint"
}

func (e *Error) refusal() string {
	text := e.Code
	if e.SubError != "" {
		text += "/" + e.SubError
	}
	if sentence := e.sentence(); sentence != "" {
		text += ": " + sentence
	}
	return text
}

// sentence is the description without the IDs at its end, which have fields of their own.
func (e *Error) sentence() string {
	s, _, _ := strings.Cut(e.Description, " Trace ID: ")
	if len(e.EntraCodes) > 0 && !strings.HasPrefix(s, "AADSTS") {
		s = strings.TrimSpace(fmt.Sprintf("AADSTS%d %s", e.EntraCodes[0], s))
	}
	return s
}

func (e *Error) time() string {
	if e.Timestamp.IsZero() {
		return ""
	}
	return e.Timestamp.UTC().Format(time.RFC3339)
}

func (e *Error) pause() string {
	if e.RetryAfter <= 0 {
		return ""
	}
	return e.RetryAfter.String()
}

// NonRetriable marks the error for azcore's retry policy: what could be retried has been.
func (e *Error) NonRetriable() {}
