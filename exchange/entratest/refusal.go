package entratest

import (
	"strconv"
	"strings"
	"time"
)

// refusal is what a check objects to.
type refusal struct {
	code int    // AADSTS
	name string // the field it is about, where the wording has {name}

	// cause is for the author of the test, who cannot look into the server: it goes into a header, which Entra does not send.
	cause error
}

// causeHeader says what failed when the issuer's keys could not be fetched.
const causeHeader = "X-Entratest-Cause"

func missing(field string) *refusal { return &refusal{code: 900144, name: field} }

// refusalBody is an error reply, its members in the order in which Entra writes them.
type refusalBody struct {
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	ErrorCodes       []int  `json:"error_codes"`
	Timestamp        string `json:"timestamp"`
	TraceID          string `json:"trace_id"`
	CorrelationID    string `json:"correlation_id"`
	ErrorURI         string `json:"error_uri"`
}

func (c *call) refused(no *refusal) *response {
	as := wordingOf(no.code)
	code, stamp := strconv.Itoa(no.code), c.now.UTC().Format("2006-01-02 15:04:05Z")
	out := respondJSON(c, as.status, refusalBody{
		Error: as.oauth,
		ErrorDescription: "AADSTS" + code + ": " + c.fill(as.text, no.name) +
			" Trace ID: " + c.traceID + " Correlation ID: " + c.CorrelationID + " Timestamp: " + stamp,
		ErrorCodes:    []int{no.code},
		Timestamp:     stamp,
		TraceID:       c.traceID,
		CorrelationID: c.CorrelationID,
		ErrorURI:      c.base + "/error?code=" + code,
	})
	if no.cause != nil {
		out.header.Set(causeHeader, strings.NewReplacer("\r", " ", "\n", " ").Replace(no.cause.Error()))
	}
	return out
}

func (c *call) wrongMethod(allowed string) *response {
	out := c.refused(&refusal{code: 900561, name: allowed})
	out.header.Set("Allow", allowed)
	return out
}

// fill puts the request's values into a wording, in one pass: a value that looks like a placeholder stays as it is.
func (c *call) fill(text, name string) string {
	if name == "" {
		name = "client_assertion" // a scripted refusal is about no field in particular
	}
	shown := c.presented()
	return strings.NewReplacer(
		"{name}", name, "{method}", c.Method,
		"{tenant}", c.TenantID, "{client_id}", c.ClientID, "{scope}", c.Scope, "{resource}", c.resource(),
		"{iss}", shown.issuer, "{sub}", shown.subject, "{aud}", strings.Join(shown.audience, ","), "{kid}", shown.text("kid"), "{alg}", shown.text("alg"),
		"{iat}", dotNet(shown.issued), "{nbf}", dotNet(shown.notBefore), "{exp}", dotNet(shown.expiry), "{now}", dotNet(c.now),
	).Replace(text)
}

// presented returns the assertion, or an empty one: scripted refusals are worded before any check has run.
func (c *call) presented() *assertion {
	if parsed, err := parseAssertion(c.Assertion); err == nil {
		return parsed
	}
	return &assertion{}
}

// dotNet formats a time as Entra's descriptions do: seven decimals.
func dotNet(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
