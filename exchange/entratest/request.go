package entratest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// Kind tells what a request asked for, by its path.
type Kind string

// The kinds of request that a [Server] tells apart.
const (
	KindToken               Kind = "token"                // /{tenant}/oauth2/v2.0/token and /{tenant}/oauth2/token, whatever the method
	KindInstanceDiscovery   Kind = "instance-discovery"   // /common/discovery/instance
	KindOpenIDConfiguration Kind = "openid-configuration" // /{tenant}/v2.0/.well-known/openid-configuration, and the same without v2.0
	KindKeys                Kind = "keys"                 // /{tenant}/discovery/v2.0/keys and /{tenant}/discovery/keys
	KindOther               Kind = "other"                // everything else; answered with 404
)

// Request is one request as a [Server] received it.
//
// fmt, encoding/json and log/slog show it without the assertion, because what tests print ends up in public logs.
// A printer that walks the fields by reflection and ignores methods, as go-spew can, does show it.
type Request struct {
	Kind          Kind
	Time          time.Time // of arrival
	Method        string
	Host          string
	Path          string
	Header        http.Header
	Form          url.Values // the body's fields; nil when the body was no form
	TenantID      string     // from the path, as sent
	ClientID      string
	Scope         string // the whole field, unsplit; requests to /{tenant}/oauth2/token have the field "resource" instead
	Assertion     string `json:"-"`
	Claims        string // the field "claims", JSON as sent
	CorrelationID string // what the reply carries: the client-request-id header when that is a GUID, else a new one
}

// clone copies all that the receiver of a copy could change.
func (r Request) clone() Request {
	r.Header = r.Header.Clone()
	r.Form = url.Values(http.Header(r.Form).Clone())
	return r
}

// Format implements [fmt.Formatter]: the same text for every verb, JSON without any secret.
func (r Request) Format(f fmt.State, _ rune) { _, _ = f.Write(r.printable()) }

// MarshalJSON implements [json.Marshaler]. It leaves out what is secret, so nothing can be read back from it.
func (r Request) MarshalJSON() ([]byte, error) { return r.printable(), nil }

// LogValue implements [slog.LogValuer]. It leaves out what is secret.
func (r Request) LogValue() slog.Value { return slog.AnyValue(json.RawMessage(r.printable())) }

// tokenForm finds JSON Web Tokens where none belongs. A client that encodes its form twice, say, folds the assertion into the scope.
var tokenForm = regexp.MustCompile(`eyJ[\w-]{8,}[\w.-]*`)

func (r Request) printable() []byte {
	type plain Request // without the methods: no recursion
	r.Form, r.Header = maps.Clone(r.Form), maps.Clone(r.Header)
	r.Form.Del("client_assertion")
	r.Form.Del("client_secret")
	r.Header.Del("Authorization")
	text, err := json.Marshal(plain(r))
	if err != nil {
		return []byte(`"unprintable request"`) // a time beyond year 9999; the fields themselves always marshal
	}
	return tokenForm.ReplaceAll(text, []byte("[token]"))
}
