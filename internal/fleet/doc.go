// Package fleet has no code of its own: its tests run the shipped credential in thousands of pods, for a day of virtual
// time, against a token endpoint that throttles and goes away, and measure what the endpoint and the callers see. Nothing
// of the library is modelled; docs/fleet.md has the figures.
//
//	go test ./internal/fleet                               # everyday size
//	ENTRAFED_FLEET=full go test -timeout 30m ./internal/fleet   # 10,000 pods, 24 hours
package fleet
