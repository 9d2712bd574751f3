package bench

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deadline requests a scope while another caller's exchange for the same scope is under way.
var deadline = situation{
	title: "caller's 100 ms deadline behind another's exchange (5 s)", goal: "100 ms",
	run: func(t *testing.T, c candidate) outcome {
		cred, wait := hang(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		waited, _ := timed(ctx, cred, storage)
		wait()
		return outcome{short(waited), float64(waited)}
	},
	check: func(t *testing.T, us, them outcome) { require.Greater(t, them.cost, 5*us.cost) },
}
