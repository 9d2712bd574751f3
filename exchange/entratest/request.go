package entratest

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Kind classifies a request by its path.
type Kind string

// The kinds of request that a [Server] distinguishes.
const (
	// KindToken is a request to /{tenant}/oauth2/v2.0/token or /{tenant}/oauth2/token, with any
	// method.
	KindToken Kind = "token"

	// KindInstanceDiscovery is a request to /common/discovery/instance.
	KindInstanceDiscovery Kind = "instance-discovery"

	// KindOpenIDConfiguration is a request to /{tenant}/v2.0/.well-known/openid-configuration, or
	// the same without v2.0.
	KindOpenIDConfiguration Kind = "openid-configuration"

	// KindKeys is a request to /{tenant}/discovery/v2.0/keys or /{tenant}/discovery/keys.
	KindKeys Kind = "keys"

	// KindGraph is a request to Microsoft Graph: applications and their
	// federatedIdentityCredentials, below /v1.0 and /beta.
	KindGraph Kind = "graph"

	// KindOther is any other request. It is answered with 404.
	KindOther Kind = "other"
)

// Request is a request as a [Server] received it.
//
// fmt, encoding/json and log/slog show it without the assertion, because test output often ends up
// in public logs. Printers that walk the fields by reflection and ignore methods, as go-spew can,
// do show the assertion.
type Request struct {
	Kind          Kind
	Time          time.Time // of arrival
	Method        string
	Host          string
	Path          string
	Header        http.Header
	Form          url.Values // the body's fields; nil if the body is not a form
	TenantID      string     // from the path, as sent
	ClientID      string
	Scope         string // the whole field; v1 requests have the field "resource" instead
	Assertion     string `json:"-"`
	Claims        string // the field "claims", JSON as sent
	CorrelationID string // sent back: the client-request-id header if it is a GUID, else a new one
}

// clone returns a deep copy.
func (r Request) clone() Request {
	r.Header = r.Header.Clone()
	r.Form = url.Values(http.Header(r.Form).Clone())
	return r
}

// Format implements [fmt.Formatter]. It writes JSON without secrets, for every verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = f.Write(r.printable()) }

// MarshalJSON implements [json.Marshaler]. It omits secrets, so a Request cannot be restored from
// it.
func (r Request) MarshalJSON() ([]byte, error) { return r.printable(), nil }

// LogValue implements [slog.LogValuer]. It omits secrets.
func (r Request) LogValue() slog.Value { return slog.AnyValue(json.RawMessage(r.printable())) }

// The fields and headers that a printed request shows. Any other may hold a secret.
var (
	shownFields  = regexp.MustCompile(`^(grant_type|client_id|client_assertion_type|client_info|scope|resource|claims|requested_token_use|fmi_path|username|user_id|x-client-[a-z-]+)$`)
	shownHeaders = regexp.MustCompile(`^(Accept|Accept-Encoding|Content-Type|Content-Length|User-Agent|Client-Request-Id|Return-Client-Request-Id|X-Client-[A-Za-z-]+|X-Ms-Lib-Capability)$`)
)

// tokenForm matches tokens and parts of them where they do not belong. A client that encodes its
// form twice, for example, sends the assertion as part of the scope. IDs have at most 36
// characters, so they are not matched.
var tokenForm = regexp.MustCompile(`eyJ[\w-]{8,}[\w.-]*|[\w-]{40,}`)

func (r Request) printable() []byte {
	type plain Request // without methods, to avoid recursion
	r.Form, r.Header = maps.Clone(r.Form), maps.Clone(r.Header)
	maps.DeleteFunc(r.Form, func(name string, _ []string) bool { return !shownFields.MatchString(name) })
	maps.DeleteFunc(r.Header, func(name string, _ []string) bool { return !shownHeaders.MatchString(name) })
	text, err := json.Marshal(plain(r))
	if err != nil {
		return []byte(`"unprintable request"`) // only for a time beyond the year 9999
	}
	return tokenForm.ReplaceAll(text, []byte("[token]"))
}

// maxBody limits how many bytes are read of a request or an issuer's document.
const maxBody = 1 << 20

// call is a request while it is being served.
type call struct {
	Request
	base      string     // scheme and host of the URL that the client used
	v1        bool       // sent to a v1 endpoint
	query     url.Values // of the URL
	body      []byte
	formErr   error // why the body is not a form
	traceID   string
	now       time.Time  // when it is judged
	assertion *assertion // set by the check that parses it

	client, tenant string // ClientID and TenantID in canonical form
	blueprint      string // the client's blueprint; empty if the client is not an agent
	user           *user  // the user that the token is for; nil if it is for the client itself
}

// receive reads a request to the end of its body. It does not change r.
func receive(r *http.Request) *call {
	at, tenant := route(r.URL.Path)
	c := &call{
		Request: Request{
			Kind: at.kind, Time: time.Now(), Method: r.Method, Host: hostOf(r), Path: r.URL.Path, Header: r.Header.Clone(),
			TenantID: tenant, CorrelationID: r.Header.Get("client-request-id"),
		},
		base:    schemeOf(r) + "://" + hostOf(r),
		v1:      at.v1,
		query:   r.URL.Query(),
		traceID: newGUID(),
	}
	if !guidForm.MatchString(c.CorrelationID) {
		c.CorrelationID = newGUID()
	}
	c.body, c.Form, c.formErr = readForm(r)
	c.ClientID, c.Scope, c.Claims = c.Form.Get("client_id"), c.Form.Get("scope"), c.Form.Get("claims")
	c.Assertion = c.Form.Get("client_assertion")
	c.client, c.tenant = canonical(c.ClientID), tenantGUID(c.TenantID)
	return c
}

// readForm reads the fields from the body only, because Entra ignores those in the URL. A body
// with another media type has no fields; that is not an error
// (https://stackoverflow.com/questions/76152009).
func readForm(r *http.Request) ([]byte, url.Values, error) {
	stream := r.Body
	if stream == nil {
		stream = http.NoBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, stream, maxBody))
	if err != nil {
		return nil, nil, err
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return body, nil, nil
	}
	form, err := url.ParseQuery(string(body))
	return body, form, err
}

// endpoint describes a path below a tenant's.
type endpoint struct {
	kind Kind
	v1   bool // the v1 form of an endpoint that also exists as v2.0
}

var endpoints = map[string]endpoint{
	"oauth2/v2.0/token":                     {KindToken, false},
	"oauth2/token":                          {KindToken, true},
	"discovery/instance":                    {KindInstanceDiscovery, false},
	"v2.0/.well-known/openid-configuration": {KindOpenIDConfiguration, false},
	".well-known/openid-configuration":      {KindOpenIDConfiguration, true},
	"discovery/v2.0/keys":                   {KindKeys, false},
	"discovery/keys":                        {KindKeys, true},
}

func route(path string) (at endpoint, tenant string) {
	if graphPathOf(path) != nil {
		return endpoint{kind: KindGraph}, ""
	}
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if at, ok := endpoints[rest]; ok && tenant != "" {
		return at, tenant
	}
	return endpoint{kind: KindOther}, ""
}

// hostOf returns the request's host. A received request has it in Host. A client's request has it
// in the URL, unless Host overrides it.
func hostOf(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	return r.URL.Host
}

func schemeOf(r *http.Request) string {
	switch {
	case r.URL.Scheme != "":
		return r.URL.Scheme
	case r.TLS != nil:
		return "https"
	}
	return "http"
}

// echoes reports whether the client wants its correlation ID in the reply's headers.
func (c *call) echoes() bool {
	return strings.EqualFold(c.Header.Get("return-client-request-id"), "true") &&
		c.Header.Get("client-request-id") == c.CorrelationID
}
