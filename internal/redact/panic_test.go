package redact_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/redact"
)

func recovered(f func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = redact.Panic(p)
		}
	}()
	f()
	return ""
}

func panicsWithAToken() { panic("eyJhbGciOi.hush") }

func panicsInTheRuntime() { _ = make([]int, 1)[len(new([2]int))] }

func TestPanicSaysWhereAndShowsOnlyTheRuntimesValues(t *testing.T) {
	require.Regexp(t, `^at github.com/entrafed/entrafed/internal/redact_test.panicsWithAToken:\d+: a value of type string, not shown`, recovered(panicsWithAToken))
	require.Regexp(t, `^at github.com/entrafed/entrafed/internal/redact_test.panicsInTheRuntime:\d+: runtime error: index out of range`, recovered(panicsInTheRuntime))
}
