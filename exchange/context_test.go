package exchange_test

import (
	"context"
	"net/http"
	"testing"
)

// fuzzKey is the context key of the reply that a fuzz target's transport gives: one client serves all inputs.
type fuzzKey struct{}

func contextWith(t testing.TB, r *http.Response) context.Context {
	return context.WithValue(t.Context(), fuzzKey{}, r)
}
