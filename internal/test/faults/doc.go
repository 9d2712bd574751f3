// Package faults contains only tests. It exposes a credential to everything that can go wrong with
// the token endpoint, the network, the reply, the clock, the token file and the credential's
// callers. Each table row says what must happen to the caller, to other callers and to the
// endpoint. After each row, everything that was said in errors, logs, spans, events and statuses is
// searched for secrets.
//
// The packages' own tests have the tables of values: replies, lifetimes, headers, files. Here, two
// or three rows represent each class of reply, and check what happens after it.
//
// The suite runs on Linux only, where pods run, because its rows depend on it: FIFOs, devices,
// dangling links, /proc/self/mem, and the errno of a connection that is reset. Other systems report
// some of these differently, and Windows has no such files. The packages' own tests, which run
// everywhere, cover what does not depend on the system.
package faults
