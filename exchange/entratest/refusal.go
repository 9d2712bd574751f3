package entratest

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// refusal is the result of a failed check.
type refusal struct {
	code int    // AADSTS code
	name string // replaces {name} in the wording: the field it is about

	about *assertion // the token it is about; nil means the client's assertion

	// cause tells the author of a test what failed. It goes into a header that Entra does not send.
	cause error
}

// causeHeader is the header with a refusal's cause: why the issuer's keys could not be used.
const causeHeader = "X-Entratest-Cause"

func missing(field string) *refusal { return &refusal{code: 900144, name: field} }

// refusalBody is the body of an error reply, in Entra's order of members.
type refusalBody struct {
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	ErrorCodes       []int  `json:"error_codes"`
	Timestamp        string `json:"timestamp"`
	TraceID          string `json:"trace_id"`
	CorrelationID    string `json:"correlation_id"`
	ErrorURI         string `json:"error_uri"`
	Suberror         string `json:"suberror,omitempty"`
	Claims           string `json:"claims,omitempty"`
}

func (c *call) refused(no *refusal) *reply {
	as := wordingOf(no.code)
	code, stamp := strconv.Itoa(no.code), c.now.UTC().Format("2006-01-02 15:04:05Z")
	out := newJSONReply(c, as.status, refusalBody{
		Error: as.oauth,
		ErrorDescription: "AADSTS" + code + ": " + c.fill(as.text, no) +
			" Trace ID: " + c.traceID + " Correlation ID: " + c.CorrelationID + " Timestamp: " + stamp,
		ErrorCodes:    []int{no.code},
		Timestamp:     stamp,
		TraceID:       c.traceID,
		CorrelationID: c.CorrelationID,
		ErrorURI:      c.base + "/error?code=" + code,
		Suberror:      as.suberror,
		Claims:        as.claims,
	})
	if no.cause != nil {
		out.header.Set(causeHeader, strings.NewReplacer("\r", " ", "\n", " ").Replace(no.cause.Error()))
	}
	return out
}

func (c *call) wrongMethod(allowed string) *reply {
	out := c.refused(&refusal{code: 900561, name: allowed})
	out.header.Set("Allow", allowed)
	return out
}

// fill replaces the placeholders of a wording. It does so in one pass, so that a value that looks
// like a placeholder is left alone.
func (c *call) fill(text string, no *refusal) string {
	shown := no.about
	if shown == nil {
		shown = c.presented()
	}
	return strings.NewReplacer(
		"{name}", cmp.Or(no.name, c.nameIn(no.code)), "{method}", c.Method,
		"{tenant}", c.TenantID, "{client_id}", c.ClientID, "{scope}", c.Scope, "{resource}", c.resource(),
		"{expected_sub}", fmiSubject(c.tenant, c.application(), c.client),
		"{iss}", shown.issuer, "{sub}", shown.subject, "{aud}", strings.Join(shown.audience, ","), "{kid}", shown.text("kid"), "{alg}", shown.text("alg"),
		"{iat}", dotNet(shown.issued), "{nbf}", dotNet(shown.notBefore), "{exp}", dotNet(shown.expiry), "{now}", dotNet(c.now),
	).Replace(text)
}

// nameIn returns the {name} of a scripted refusal, which was not about any field.
func (c *call) nameIn(code int) string {
	switch code {
	case 50034:
		return c.account()
	case 500131:
		return c.application()
	case 70003:
		return c.Form.Get("grant_type")
	case 900561:
		return http.MethodPost
	}
	return "client_assertion"
}

// presented returns the assertion, or an empty one if it is malformed. It parses the assertion
// again because a scripted refusal is worded before any check runs.
func (c *call) presented() *assertion {
	if parsed, err := parseAssertion(c.Assertion); err == nil {
		return parsed
	}
	return &assertion{}
}

// dotNet formats a time as in Entra's descriptions, with seven decimals.
func dotNet(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
