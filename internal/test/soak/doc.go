// Package soak contains only a test. It runs hundreds of goroutines against one credential over
// real connections while everything around it changes, and looks for leaks, deadlocks, data races
// and invalid tokens. Run it with the race detector:
//
//	go test -race ./internal/test/soak                       # three seconds
//	ENTRAFED_SOAK=60s go test -race ./internal/test/soak
package soak
