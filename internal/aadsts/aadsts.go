// Package aadsts knows the AADSTS codes that a federated exchange can meet
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes and public reports). Microsoft asks programs not
// to branch on these numbers: here they steer retries and hints, nothing that a caller sees as a kind of error.
package aadsts

import (
	"slices"
	"time"
)

// Entry is what is known of one code. Its texts are for the person who set the workload up. Cause and Fix hold placeholders, such
// as {issuer}, for what package hint knows of the request.
type Entry struct {
	Code   int
	Field  Field  // what is wrong, as a rule
	Passes Passes // whether it may pass by itself
	Means  string // in short
	Cause  string
	Fix    string
}

// Field is a part of the setup that a code points to, in the words of an error: the texts of its entries have it.
type Field string

const (
	Credential     Field = "federated credential" // one of its fields, or that there is none
	Subject        Field = "subject"              // that is registered
	ServiceAccount Field = "service account"      // that the pod runs as
	Audience       Field = "audience"             // of the federated token
	Lifetime       Field = "lifetime"             // of the federated token
	Token          Field = "federated token"      // altogether, or what renews it
	Issuer         Field = "issuer"               // as Entra ID reaches it
	SigningKey     Field = "key"
	Clock          Field = "clock"
	ClientID       Field = "client ID"
	Application    Field = "app"
	Tenant         Field = "tenant"
	Scope          Field = "scope"
	Authority      Field = "authority"
	Binding        Field = "identity binding" // switched on or off
	Region         Field = "region"
	Policy         Field = "policy"
	Request        Field = "request"
	Service        Field = "Entra ID"
)

// Passes tells how a refusal may pass by itself.
type Passes int

const (
	// Never: somebody has to mend something.
	Never Passes = iota

	// Propagation is for what Entra ID documents as eventually consistent after a federated credential was made or changed
	// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations), and for its own trouble
	// in reaching the issuer.
	Propagation

	// Overload is for Entra ID's own transient errors, which it asks to retry after five seconds at the earliest.
	Overload

	// Reread is for an assertion that was too old, cut short or missing when it was read: reading it again may help.
	Reread
)

// Of returns what is known of the code.
func Of(code int) (Entry, bool) {
	for _, entry := range catalogue { // short, and read after failures only
		if entry.Code == code {
			return entry, true
		}
	}
	return Entry{}, false
}

// All returns every entry.
func All() []Entry { return slices.Clone(catalogue) }

// Pause returns how long to wait before a refusal with the code is worth a first retry; zero if it will not pass by itself.
func Pause(code int) time.Duration {
	entry, _ := Of(code)
	switch entry.Passes {
	case Propagation:
		return time.Second
	case Overload:
		return 5 * time.Second
	}
	return 0
}

// StaleAssertion tells whether the code can mean that the assertion was too old, cut short or missing when it was read, so
// that reading it again may help.
func StaleAssertion(code int) bool {
	entry, _ := Of(code)
	return entry.Passes == Reread
}
