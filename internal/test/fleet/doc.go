// Package fleet contains only tests. They run the real credential in thousands of pods, for a day
// of virtual time, against a token endpoint that throttles and goes down, and measure what the
// endpoint and the callers see. Nothing of the library is modeled. docs/fleet.md has the figures.
//
//	go test ./internal/test/fleet                               # everyday size
//	ENTRAFED_FLEET=full go test -timeout 30m ./internal/test/fleet   # 10,000 pods, 24 hours
package fleet
