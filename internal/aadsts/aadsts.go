// Package aadsts knows the AADSTS codes that a federated exchange can meet
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes and public reports). Microsoft asks programs not
// to branch on these numbers: here they steer retries and hints, nothing that a caller sees as a kind of error.
package aadsts

import "time"

// Pause returns how long to wait before a refusal with the code is worth a first retry; zero if it will not pass by itself.
func Pause(code int) time.Duration { return pauses[code] }

const (
	// propagation is for what Entra ID documents as eventually consistent after a federated credential was made or changed
	// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations), and for its own trouble
	// in reaching the issuer.
	propagation = time.Second

	// overload is for Entra ID's own transient errors, which it asks to retry after five seconds at the earliest.
	overload = 5 * time.Second
)

var pauses = map[int]time.Duration{
	70021:   propagation, // no matching federated identity record
	700211:  propagation, // … for the issuer
	700213:  propagation, // … for the subject
	70025:   propagation, // the client has no federated credentials
	7000272: propagation, // the signing key is not in the issuer's metadata, as Entra ID knows it
	90061:   propagation, // request to the issuer failed
	50166:   propagation,
	501661:  propagation,

	50033: overload, // RetryableError
	50087: overload,
	90006: overload,
	90012: overload,
	90024: overload,
	90033: overload,
	90055: overload,
	90090: overload,
}

// StaleAssertion tells whether the code can mean that the assertion was too old, cut short or missing when it was read, so
// that reading it again may help.
func StaleAssertion(code int) bool {
	switch code {
	case 700024, 50027, 7000216:
		return true
	}
	return false
}
