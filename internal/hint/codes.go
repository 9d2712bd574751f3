package hint

import (
	"slices"
	"time"
)

// Entry is what is known about one AADSTS code. Its texts are for the person who set up the
// workload. Cause, Fix and Pod hold placeholders, such as {issuer}, which For fills from the
// request.
type Entry struct {
	Code   int
	Field  Field  // what is usually wrong
	Passes Passes // whether it may pass on its own
	Means  string // in short
	Cause  string
	Fix    string
	Pod    string // replaces Fix, in Kubernetes terms, if the token is a service account's
}

// Field is the part of the setup that a code points to. Each entry's texts contain its field's
// name.
type Field string

const (
	Credential     Field = "federated credential" // missing, or one of its fields
	Subject        Field = "subject"              // as registered
	ServiceAccount Field = "service account"      // the pod's
	Audience       Field = "audience"             // of the federated token
	Lifetime       Field = "lifetime"             // of the federated token
	Token          Field = "federated token"      // as a whole, or what renews it
	Issuer         Field = "issuer"               // as Entra ID reaches it
	SigningKey     Field = "key"
	Clock          Field = "clock"
	ClientID       Field = "client ID"
	Application    Field = "app"
	Tenant         Field = "tenant"
	Scope          Field = "scope"
	Authority      Field = "authority"
	Binding        Field = "identity binding" // on or off
	Region         Field = "region"
	Proxy          Field = "HTTP proxy"  // its name
	Certificate    Field = "certificate" // of the endpoint
	Policy         Field = "policy"
	User           Field = "user" // whose token was also presented
	Request        Field = "request"
	Service        Field = "Entra ID"
)

// Passes says whether, and how, a refusal may pass on its own.
type Passes int

const (
	// Never is for refusals that need a fix.
	Never Passes = iota

	// Propagation is for codes seen until a new or changed federated credential or signing key
	// takes effect (documented for 70021:
	// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations),
	// and for Entra ID's own trouble reaching the issuer.
	Propagation

	// Overload is for Entra ID's own transient errors. It asks clients to wait at least five
	// seconds before they retry.
	Overload

	// Reread is for an assertion that was too old, cut short or missing when it was read. Reading
	// it again may help.
	Reread
)

// Unreadable is the code for an assertion, or a user's token, that is not a JWT.
const Unreadable = 50027

// Lookup returns the entry for the code, or else for its family.
func Lookup(code int) (Entry, bool) {
	if entry, ok := exactly(code); ok {
		return entry, true
	}
	for _, family := range families {
		if family.from <= code && code <= family.to {
			entry := family.Entry
			entry.Code = code
			return entry, true
		}
	}
	return Entry{}, false
}

// exactly returns the catalogue's own entry for the code.
func exactly(code int) (Entry, bool) {
	for _, entry := range catalogue { // it is short, and read only after failures
		if entry.Code == code {
			return entry, true
		}
	}
	return Entry{}, false
}

// Catalogue returns every entry.
func Catalogue() []Entry { return slices.Clone(catalogue) }

// OverloadPause is the shortest pause before a retry after an error of Entra ID's own.
const OverloadPause = 5 * time.Second

// Pause returns how long to wait before the first retry after a refusal with the code; zero if the
// refusal will not pass on its own.
func Pause(code int) time.Duration {
	entry, _ := Lookup(code)
	switch entry.Passes {
	case Propagation:
		return time.Second
	case Overload:
		return OverloadPause
	}
	return 0
}

// StaleAssertion reports whether the code can mean that the assertion was too old, cut short or
// missing when it was read, so that reading it again may help.
func StaleAssertion(code int) bool {
	entry, _ := Lookup(code)
	return entry.Passes == Reread
}
