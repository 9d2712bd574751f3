package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
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
	e := &Error{
		StatusCode:    resp.StatusCode,
		Code:          secrets.Text(reply.text("error"), redact.MaxName),
		Description:   secrets.Text(reply.text("error_description"), redact.MaxText),
		SubError:      secrets.Text(reply.text("suberror"), redact.MaxName),
		Claims:        claimsOf(reply, secrets),
		TraceID:       secrets.Text(reply.text("trace_id"), redact.MaxName),
		CorrelationID: secrets.Text(reply.text("correlation_id"), redact.MaxName),
		RetryAfter:    retryAfter(resp.Header),
		reply:         secrets.Text(describe(resp), redact.MaxText),
	}
	e.EntraCodes = entraCodes(reply["error_codes"], e.Description)
	e.Timestamp, _ = time.Parse("2006-01-02 15:04:05Z", reply.text("timestamp"))
	e.Date, _ = http.ParseTime(resp.Header.Get("Date"))
	if e.TraceID == "" {
		e.TraceID = secrets.Text(resp.Header.Get("x-ms-request-id"), redact.MaxName)
	}
	if e.CorrelationID == "" {
		e.CorrelationID = secrets.Text(resp.Header.Get("client-request-id"), redact.MaxName)
	}
	if location, err := resp.Location(); err == nil {
		e.target = secrets.Text(location.Host, redact.MaxName)
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
	var b strings.Builder
	b.WriteString(e.reply)
	if e.reply == "" { // made by hand, in a test
		fmt.Fprintf(&b, "HTTP %d", e.StatusCode)
	}
	switch {
	case e.Code != "":
		b.WriteString(": " + e.Code)
		if e.SubError != "" {
			b.WriteString("/" + e.SubError)
		}
		if sentence := e.sentence(); sentence != "" {
			b.WriteString(": " + sentence)
		}
	case e.cause != nil:
		b.WriteString(": " + e.cause.Error())
	case e.problem != "":
		b.WriteString(": the reply cannot be used: " + e.problem)
	case e.target != "" && e.StatusCode >= 300 && e.StatusCode < 400:
		fmt.Fprintf(&b, ": a redirect to %q, which is not followed: the assertion goes to the configured authority only", e.target)
	case e.excerpt != "":
		fmt.Fprintf(&b, ": %q", e.excerpt)
	default:
		b.WriteString(": the reply is not that of a token endpoint")
	}
	for _, detail := range []struct{ name, value string }{
		{"correlation ID", e.CorrelationID}, {"trace ID", e.TraceID}, {"time", e.time()}, {"Retry-After", e.pause()},
	} {
		if detail.value != "" {
			b.WriteString("; " + detail.name + " " + detail.value)
		}
	}
	return redact.OneLine(b.String()) // for one made by hand
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

// Has tells whether Entra ID named the AADSTS code. It is for hints and retries, not for branching: codes may change.
func (e *Error) Has(code int) bool { return slices.Contains(e.EntraCodes, code) }

// NonRetriable marks the error for azcore's retry policy: what could be retried has been.
func (e *Error) NonRetriable() {}
