// Package soak has no code of its own: its test runs hundreds of goroutines against one credential over real connections
// while everything around it changes, and looks for leaks, deadlocks, data races and tokens that are not valid. It wants
// the race detector:
//
//	go test -race ./internal/soak                       # three seconds
//	ENTRAFED_SOAK=60s go test -race ./internal/soak
package soak
