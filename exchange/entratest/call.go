package entratest

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what is read of a request, in bytes.
const maxBody = 1 << 20

// call is a request while it is being served.
type call struct {
	Request
	base      string     // scheme and host under which the client reached us
	v1        bool       // it came to an endpoint of before v2.0
	query     url.Values // of the URL
	formErr   error      // why the body is no form
	traceID   string
	now       time.Time  // when it is judged
	assertion *assertion // set by the check that parses it
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
	c.Form, c.formErr = readForm(r)
	c.ClientID, c.Scope, c.Claims = c.Form.Get("client_id"), c.Form.Get("scope"), c.Form.Get("claims")
	c.Assertion = c.Form.Get("client_assertion")
	return c
}

// readForm takes the fields from the body alone: Entra does not look for them in the URL. In a body that does not say that it is a
// form it finds none, which is no error of its own (https://stackoverflow.com/questions/76152009).
func readForm(r *http.Request) (url.Values, error) {
	stream := r.Body
	if stream == nil {
		stream = http.NoBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, stream, maxBody))
	if err != nil {
		return nil, err
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, nil
	}
	return url.ParseQuery(string(body))
}

// endpoint is what is asked for at a path below a tenant's.
type endpoint struct {
	kind Kind
	v1   bool // it has a younger sibling, of v2.0
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
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if at, ok := endpoints[rest]; ok && tenant != "" {
		return at, tenant
	}
	return endpoint{kind: KindOther}, ""
}

// hostOf heeds that only a client's request has a host in its URL, and only an overridden or a received one has it in Host.
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

// echoes reports whether the client asked for its correlation ID in the reply's headers.
func (c *call) echoes() bool {
	return strings.EqualFold(c.Header.Get("return-client-request-id"), "true") &&
		c.Header.Get("client-request-id") == c.CorrelationID
}
