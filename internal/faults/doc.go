// Package faults holds the fault suite and no code: it puts the token endpoint, the network, the reply, the clock, the token
// file and the callers of a credential through what can go wrong with each. Every row of its tables says what must happen to
// the caller, to the other callers and to the endpoint; every row's errors, logs, spans, events and statuses are searched for
// secrets.
//
// It is for Linux, where pods run, because rows tell faults by what Linux makes of them: FIFOs, devices and links that lead nowhere,
// /proc/self/mem, and the errno of a connection that was reset in the middle. The other systems report some of these otherwise, and
// Windows has no such files. What does not depend on the system, the packages' own tests try everywhere.
package faults
