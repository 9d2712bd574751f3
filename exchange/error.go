package exchange

import (
	"cmp"
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

// Error is a reply that refuses the request or that cannot be used. Its fields are those of RFC
// 6749 section 5.2 and Entra ID's additions. Strings are cleaned when the reply is parsed: they are
// bounded, hold no part of the assertion, and fit on one line, except Claims.
//
// Branch on Code and StatusCode. Microsoft asks programs not to branch on EntraCodes, which may
// change.
type Error struct {
	StatusCode  int    // HTTP status
	Code        string // OAuth error, such as "invalid_client"; empty if the reply has none
	Description string // Entra ID's sentence; starts with an AADSTS code, and ends before the IDs
	EntraCodes  []int  // AADSTS codes, such as 700213; the one in Description comes first
	SubError    string // Entra ID's suberror
	// Claims is a claims challenge from the token endpoint itself, verbatim. It is empty if the
	// challenge is over 64 KiB or contains a token.
	Claims string

	TraceID       string    // of the reply
	CorrelationID string    // of the request; Entra ID's logs are searched by it
	Timestamp     time.Time // when Entra ID refused, by its clock; zero if unknown
	Date          time.Time // the reply's Date header, which reveals a wrong clock; zero if unknown

	RetryAfter time.Duration // the pause that the reply asked for; zero if none

	url     string // the URL that sent the reply; empty if unknown
	reply   string // status and media type
	target  string // the host that a redirect points to
	excerpt string // the start of a reply that is not an OAuth error
	problem string // what is wrong with a reply that looked like a success
	cause   error  // why the reply could not be read to the end, or why no retry waited for it
}

// unreadable returns the error for a reply whose body could not be read to the end. It still
// reports the status and headers.
func (try *attempt) unreadable(resp *http.Response, cause error) *Error {
	e := try.refusal(resp, nil, nil)
	e.cause = try.secrets.Error(cause)
	return e
}

// Unwrap returns why the reply could not be read to the end, or nil.
func (e *Error) Unwrap() error { return e.cause }

// refusal returns the error for a reply that is not a success. reply may be nil.
func (try *attempt) refusal(resp *http.Response, reply members, body []byte) *Error {
	name := func(s string) string { return try.secrets.Text(s, redact.MaxName) }
	sentence, ids := cutIDs(try.secrets.Text(reply.text("error_description"), redact.MaxText))
	e := &Error{
		StatusCode:    resp.StatusCode,
		Code:          name(reply.text("error")),
		Description:   sentence,
		SubError:      name(reply.text("suberror")),
		Claims:        claimsOf(reply, try.secrets),
		TraceID:       cmp.Or(name(reply.text("trace_id")), ids.trace, name(resp.Header.Get("x-ms-request-id"))),
		CorrelationID: cmp.Or(name(reply.text("correlation_id")), ids.correlation, name(resp.Header.Get("client-request-id"))),
		RetryAfter:    retryAfter(resp.Header),
		url:           try.secrets.Text(sender(resp), redact.MaxText),
		reply:         try.secrets.Text(describe(resp), redact.MaxText),
	}
	e.EntraCodes = entraCodes(reply["error_codes"], e.Description)
	e.Timestamp, _ = time.Parse("2006-01-02 15:04:05Z", cmp.Or(reply.text("timestamp"), ids.timestamp))
	e.Date, _ = http.ParseTime(resp.Header.Get("Date"))
	if location, err := resp.Location(); err == nil {
		e.target = name(location.Host)
	}
	if e.Code == "" && resp.StatusCode >= http.StatusBadRequest {
		e.excerpt = excerpt(string(body), try.secrets)
	}
	return e
}

// sender returns the URL that the reply came from, without the parts that may be secret.
func sender(resp *http.Response) string {
	if resp.Request == nil || resp.Request.URL == nil {
		return ""
	}
	u := *resp.Request.URL
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// ids are the IDs that Entra ID appends to its sentence.
type ids struct{ trace, correlation, timestamp string }

// idsPattern matches a description whose line breaks are already replaced. Entra ID has used both
// line breaks and spaces as separators.
var idsPattern = regexp.MustCompile(`^(.*?)\s*Trace ID: (\S+) Correlation ID: (\S+) Timestamp: (\S+ \S+)$`)

// cutIDs splits a description into the sentence and the IDs at its end, if there are any.
func cutIDs(description string) (sentence string, found ids) {
	m := idsPattern.FindStringSubmatch(description)
	if m == nil {
		return description, ids{}
	}
	return m[1], ids{m[2], m[3], m[4]}
}

// claimsOf returns the claims challenge in full, or nothing: a program has to answer all of it.
func claimsOf(reply members, secrets redact.Redactor) string {
	claims := reply.text("claims")
	if len(claims) > 64<<10 || secrets.Clean(claims) != claims {
		return ""
	}
	return claims
}

// excerpt returns the start of a body in which something between here and Entra ID says why it
// refused. It returns nothing if the body could be a success with the wrong status: one that names
// a token, even escaped, and contains a separator between names and values.
func excerpt(body string, secrets redact.Redactor) string {
	body = redact.OneLine(body) // replace control characters first, so that none splits a word
	named := strings.Contains(strings.ToLower(body), "token") || strings.Contains(body, `\u`)
	if named && strings.ContainsAny(body, ":=<") {
		return ""
	}
	return secrets.Text(body, 200)
}

// codePattern matches the code at the start of a description.
var codePattern = regexp.MustCompile(`^AADSTS(\d{4,9})\b`)

// entraCodes returns the description's code first, then the others in error_codes. People read the
// description, so hints and retries must be about the same code.
func entraCodes(raw json.RawMessage, description string) []int {
	var codes, listed []int
	if match := codePattern.FindStringSubmatch(description); match != nil {
		code, _ := strconv.Atoi(match[1])
		codes = append(codes, code)
	}
	if json.Unmarshal(raw, &listed) != nil {
		return codes
	}
	for _, code := range listed[:min(len(listed), 10)] {
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes
}

// maxRetryAfter bounds the pause that a reply can ask for, so that nothing overflows. Callers
// decide how long to wait.
const maxRetryAfter = 48 * time.Hour

// retryAfter reads the same headers as azcore's retry policy. A date is compared with the reply's
// Date header, so that a wrong local clock does no harm.
func retryAfter(h http.Header) time.Duration {
	for _, header := range []struct {
		name string
		unit time.Duration
	}{{"Retry-After-Ms", time.Millisecond}, {"X-Ms-Retry-After-Ms", time.Millisecond}, {"Retry-After", time.Second}} {
		value := strings.TrimSpace(h.Get(header.name))
		// Too large a number parses as the largest, anything else as 0.
		if n, _ := strconv.ParseUint(value, 10, 64); n > 0 {
			return time.Duration(min(n, uint64(maxRetryAfter/header.unit))) * header.unit // #nosec G115 -- bounded by maxRetryAfter
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

// Error returns one line: [Error.Said], then [Error.IDs].
func (e *Error) Error() string {
	if ids := e.IDs(); ids != "" {
		return e.Said() + "; " + ids
	}
	return e.Said()
}

// Said returns one line with the reply's status and media type, Entra ID's sentence or what makes
// the reply unusable, and the pause that it asked for. [Error.IDs] returns the rest.
func (e *Error) Said() string {
	// An Error built by hand, as in a test, has no reply.
	text := cmp.Or(e.reply, fmt.Sprintf("HTTP %d", e.StatusCode)) + ": " + e.reason()
	if e.RetryAfter > 0 {
		text += "; Retry-After " + e.RetryAfter.String()
	}
	return redact.OneLine(text)
}

// IDs returns one line with the known IDs that identify the request in Entra ID's logs: correlation
// ID, trace ID and time.
func (e *Error) IDs() string {
	var known []string
	if e.CorrelationID != "" {
		known = append(known, "correlation ID "+e.CorrelationID)
	}
	if e.TraceID != "" {
		known = append(known, "trace ID "+e.TraceID)
	}
	if !e.Timestamp.IsZero() {
		known = append(known, "time "+e.Timestamp.UTC().Format(time.RFC3339))
	}
	return redact.OneLine(strings.Join(known, ", "))
}

// URL returns the URL that the request went to, without its query. It is empty in an Error built by
// hand.
func (e *Error) URL() string { return e.url }

func (e *Error) reason() string {
	switch {
	case e.Code != "":
		return e.refusal()
	case e.cause != nil:
		return e.cause.Error()
	case e.url != "":
		return e.unusable() + " (from " + e.url + ")"
	}
	return e.unusable()
}

// unusable describes a reply that is not an OAuth error.
func (e *Error) unusable() string {
	switch {
	case e.problem != "":
		return "the reply cannot be used: " + e.problem
	case e.target != "" && e.StatusCode >= 300 && e.StatusCode < 400:
		return fmt.Sprintf("a redirect to %q, which is not followed: the assertion goes to the configured authority only", e.target)
	case e.excerpt != "":
		return strconv.Quote(e.excerpt)
	}
	return "the reply is not from a token endpoint"
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

// sentence returns the description. It prepends the code if the description lacks one.
func (e *Error) sentence() string {
	if len(e.EntraCodes) > 0 && !strings.HasPrefix(e.Description, "AADSTS") {
		return strings.TrimSpace(fmt.Sprintf("AADSTS%d %s", e.EntraCodes[0], e.Description))
	}
	return e.Description
}

// NonRetriable tells azcore's retry policy not to retry: the exchange already has.
func (e *Error) NonRetriable() {}
