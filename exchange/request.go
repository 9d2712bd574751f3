package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/entrafed/entrafed/internal/redact"
)

// assertionType is that of RFC 7523 section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Request is one exchange. It prints, logs and marshals without the assertion.
type Request struct {
	// TenantID is the tenant's GUID or domain name. Required.
	TenantID string

	// ClientID is the application (client) ID of the managed identity or app registration. Required.
	ClientID string

	// Scopes of one resource, sent as they are, separated by spaces. Required. Entra ID wants "{resource}/.default".
	Scopes []string

	// Assertion is the federated token. Required, and a secret until it expires.
	Assertion string

	// Claims is the JSON of a claims challenge, decoded if it came in base64. Optional.
	Claims string

	// EnableCAE declares that the caller handles claims challenges of continuous access evaluation (capability CP1), for
	// which Entra ID issues longer-lived tokens that can be revoked at once.
	EnableCAE bool

	// CorrelationID is a GUID by which Entra ID's logs find the request. The default is a new one.
	CorrelationID string
}

// form returns the request's body, or an error that names every field that is wrong.
func (r Request) form() (string, error) {
	scope := strings.Join(r.Scopes, " ")
	claims, err := mergeClaims(r.Claims, r.EnableCAE)
	errs := []error{err}
	if !ValidTenantID(r.TenantID) {
		errs = append(errs, fmt.Errorf("field TenantID %q is not a tenant's GUID or domain name", r.TenantID))
	}
	if r.ClientID == "" {
		errs = append(errs, errors.New("field ClientID is missing"))
	}
	if strings.TrimSpace(scope) == "" {
		errs = append(errs, errors.New("field Scopes: at least one scope is required"))
	}
	if r.Assertion == "" {
		errs = append(errs, errors.New("field Assertion is missing"))
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {r.ClientID},
		"scope":                 {scope},
		"client_assertion_type": {assertionType},
		"client_assertion":      {r.Assertion},
	}
	if claims != "" {
		form.Set("claims", claims)
	}
	return form.Encode(), errors.Join(errs...)
}

// ValidTenantID tells whether id can be a tenant's GUID or domain name: letters, digits, dots and hyphens only, 253 at most.
// Anything else could change the meaning of the URL it becomes a part of, or be a token that was given in the place of the ID.
func ValidTenantID(id string) bool {
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return strings.Trim(id, ".") != "" && len(id) <= 253 // RFC 1035, section 2.3.4, less what only the wire has
}

// printable is what of a Request may be seen.
type printable struct {
	TenantID, ClientID string
	Scopes             []string
	Claims             string `json:",omitempty"`
	EnableCAE          bool   `json:",omitempty"`
	CorrelationID      string `json:",omitempty"`
	Assertion          string
}

func (r Request) printable() printable {
	p := printable{r.TenantID, r.ClientID, r.Scopes, r.Claims, r.EnableCAE, r.CorrelationID, ""}
	if r.Assertion != "" {
		p.Assertion = redact.Mark
	}
	return p
}

// Format implements [fmt.Formatter] for every verb.
func (r Request) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%+v", r.printable()) }

// LogValue implements [slog.LogValuer].
func (r Request) LogValue() slog.Value { return slog.AnyValue(r.printable()) }

// MarshalJSON implements [json.Marshaler].
func (r Request) MarshalJSON() ([]byte, error) { return json.Marshal(r.printable()) }

// MarshalText implements [encoding.TextMarshaler], for the encoders that know no better.
func (r Request) MarshalText() ([]byte, error) { return json.Marshal(r.printable()) }
