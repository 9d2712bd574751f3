// Package faults holds the fault suite and no code: it puts the token endpoint, the network, the reply, the clock, the token
// file and the callers of a credential through what can go wrong with each. Every row of its tables says what must happen to
// the caller, to the other callers and to the endpoint; every row's errors, logs, spans, events and statuses are searched for
// secrets.
package faults
