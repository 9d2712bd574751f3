package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"unicode"

	"github.com/entrafed/entrafed/internal/guid"
	"github.com/entrafed/entrafed/internal/redact"
)

const (
	// assertionType is defined in RFC 7523 section 2.2.
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// Grant types of RFC 6749 section 4.4, of RFC 7523 section 2.1 (Entra ID's on-behalf-of flow),
	// and of Entra Agent ID for an agent's user account.
	clientCredentials = "client_credentials"
	jwtBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	userFIC           = "user_fic"
)

// Request describes one exchange. It prints, logs and marshals without its secrets.
//
// By default it is a client credentials request. UserAssertion makes it an on-behalf-of request
// (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow). Username and
// UserFederatedCredential make it a request for an agent's user account
// (https://learn.microsoft.com/entra/agent-id/identity-platform/agent-user-oauth-flow).
type Request struct {
	// TenantID is the tenant's GUID or domain name. Required.
	TenantID string

	// ClientID is the application (client) ID of the managed identity or app registration.
	// Required.
	ClientID string

	// Scopes are the scopes of one resource. They are sent unchanged, separated by spaces.
	// Required. Entra ID expects "{resource}/.default".
	Scopes []string

	// Assertion is the federated token or, for an agent identity, the token that its blueprint got
	// for it. Required. A secret until it expires.
	Assertion string

	// FMIPath is the client ID of the agent identity that the blueprint requests a token for.
	// Optional. See
	// https://learn.microsoft.com/entra/agent-id/identity-platform/agent-autonomous-app-oauth-flow
	FMIPath string

	// UserAssertion is the user's access token for this application, or for the agent's blueprint.
	// It makes the request act on behalf of that user. Optional. A secret.
	UserAssertion string

	// Username is the user principal name of an agent's user account. Optional.
	Username string

	// UserFederatedCredential is the agent identity's token for token exchange. It signs in the
	// user account that Username names. Required with Username. A secret.
	UserFederatedCredential string

	// Claims is the JSON of a claims challenge. If the challenge is base64, decode it first.
	// Optional.
	Claims string

	// EnableCAE declares that the caller handles the claims challenges of continuous access
	// evaluation (capability CP1). Entra ID then issues longer-lived tokens that can be revoked at
	// once.
	EnableCAE bool

	// CorrelationID is a GUID that identifies the request in Entra ID's logs. The default is a new
	// one.
	CorrelationID string

	// OnRefusal is called with the error of each reply other than 200 when it arrives, so that
	// callers see replies that retries would hide. It runs on the goroutine of Exchange and must
	// not block. Optional.
	OnRefusal func(*Error)
}

// form returns the request's body, or an error that names every invalid field.
func (r Request) form() (string, error) {
	var wrong []string
	scope := strings.Join(r.Scopes, " ")
	claims, err := mergeClaims(r.Claims, r.EnableCAE)
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	if !guid.OrDomain(r.TenantID) {
		wrong = append(wrong, fmt.Sprintf("field TenantID %q is not a tenant's GUID or domain name", redact.URL(r.TenantID)))
	}
	if r.ClientID == "" {
		wrong = append(wrong, "field ClientID is missing")
	}
	if strings.TrimSpace(scope) == "" {
		wrong = append(wrong, "field Scopes: at least one scope is required")
	}
	if r.Assertion == "" {
		wrong = append(wrong, "field Assertion is missing")
	}
	if (r.Username == "") != (r.UserFederatedCredential == "") {
		wrong = append(wrong, "fields Username and UserFederatedCredential: set both or neither")
	}
	if r.Username != "" && r.UserAssertion != "" {
		wrong = append(wrong, "fields Username and UserAssertion: set one, because they select different grants")
	}
	if strings.ContainsFunc(r.CorrelationID, unicode.IsControl) {
		wrong = append(wrong, "field CorrelationID has a control character, such as a newline, which a header cannot carry: use a GUID")
	}
	if len(wrong) > 0 {
		return "", errors.New(strings.Join(wrong, "; "))
	}
	form := url.Values{
		"grant_type":            {r.Grant()},
		"client_id":             {r.ClientID},
		"scope":                 {scope},
		"client_assertion_type": {assertionType},
		"client_assertion":      {r.Assertion},
	}
	user := ""
	if r.UserAssertion != "" || r.Username != "" {
		user = "on_behalf_of"
	}
	for name, value := range map[string]string{
		"claims": claims, "fmi_path": r.FMIPath, "assertion": r.UserAssertion, "username": r.Username,
		"user_federated_identity_credential": r.UserFederatedCredential, "requested_token_use": user,
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
	return form.Encode(), nil
}

// Grant returns the request's grant_type.
func (r Request) Grant() string {
	switch {
	case r.UserAssertion != "":
		return jwtBearer
	case r.Username != "":
		return userFIC
	}
	return clientCredentials
}

// printable is the form of a Request that is safe to show.
type printable struct {
	TenantID, ClientID string
	Scopes             []string
	Claims             string `json:",omitempty"`
	EnableCAE          bool   `json:",omitempty"`
	CorrelationID      string `json:",omitempty"`
	Assertion          string

	FMIPath                 string `json:",omitempty"`
	UserAssertion           string `json:",omitempty"`
	Username                string `json:",omitempty"`
	UserFederatedCredential string `json:",omitempty"`
}

func (r Request) printable() printable {
	hide := func(secret string) string {
		if secret == "" {
			return ""
		}
		return redact.Mark
	}
	return printable{
		r.TenantID, r.ClientID, r.Scopes, r.Claims, r.EnableCAE, r.CorrelationID, hide(r.Assertion),
		r.FMIPath, hide(r.UserAssertion), r.Username, hide(r.UserFederatedCredential),
	}
}

// Format implements [fmt.Formatter] for every verb.
func (r Request) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%+v", r.printable()) }

// LogValue implements [slog.LogValuer].
func (r Request) LogValue() slog.Value { return slog.AnyValue(r.printable()) }

// MarshalJSON implements [json.Marshaler].
func (r Request) MarshalJSON() ([]byte, error) { return json.Marshal(r.printable()) }

// MarshalText implements [encoding.TextMarshaler], for encoders that do not use MarshalJSON.
func (r Request) MarshalText() ([]byte, error) { return json.Marshal(r.printable()) }
