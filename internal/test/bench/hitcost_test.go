package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"
)

// hit is the cost of a cached GetToken.
type hit struct {
	held   int
	cost   time.Duration
	allocs float64
}

var heldSizes = []int{1, 100, 1000, 10_000}

// hits are measured once per process, so that the table and the chart agree.
var hits = map[string][]hit{}

// clock is the cost of one reading of the clock, the unit for the cost of a hit.
var clock time.Duration

// measureHits fills one credential step by step and measures between the steps.
func measureHits(t testing.TB, c candidate) []hit {
	if measured := hits[c.name]; measured != nil {
		return measured
	}
	// Measured next to the hits, so that the machine is equally busy.
	if reading := perCall(func() { _ = time.Now() }); clock == 0 || reading < clock {
		clock = reading
	}
	cred, filled := c.open(t, at(t, new(quick))), 0
	for _, held := range heldSizes {
		for ; filled < held; filled++ {
			get(t, cred, numbered(filled))
		}
		ctx, options := context.Background(), scope(numbered(held/2))
		call := func() { sinkToken, sinkErr = cred.GetToken(ctx, options) }
		h := hit{held: held, cost: perCall(call), allocs: testing.AllocsPerRun(200, call)}
		require.NoError(t, sinkErr)
		hits[c.name] = append(hits[c.name], h)
	}
	return hits[c.name]
}

var (
	sinkToken azcore.AccessToken
	sinkErr   error
)

func numbered(i int) string { return fmt.Sprintf("https://r%d.example/.default", i) }

// hitCost returns one row per number of scopes held.
func hitCost() (rows []situation) {
	for i, held := range heldSizes {
		rows = append(rows, situation{
			title: fmt.Sprintf("cached GetToken, scopes held: %d", held),
			goal:  "flat, about two clock readings, 0 allocations",
			run: func(t *testing.T, c candidate) outcome {
				h := measureHits(t, c)[i]
				return outcome{fmt.Sprintf("%s, %.0f allocs", short(h.cost), h.allocs), float64(h.cost)}
			},
			check: func(t *testing.T, us, them outcome) {
				mine := measureHits(t, ours)
				require.Zero(t, mine[i].allocs)
				require.Less(t, us.cost, 5*float64(mine[0].cost), "the cost of a hit must be flat")
				if held == 10_000 {
					require.Greater(t, them.cost, 20*us.cost)
				}
			},
		})
	}
	return rows
}

// BenchmarkHit measures the same with Go's own tools (benchstat, -cpuprofile).
func BenchmarkHit(b *testing.B) {
	for _, c := range candidates {
		for _, held := range heldSizes {
			b.Run(fmt.Sprintf("%s/held=%d", c.name, held), func(b *testing.B) {
				cred := c.open(b, at(b, new(quick)))
				for i := range held {
					get(b, cred, numbered(i))
				}
				ctx, options := context.Background(), scope(numbered(held/2))
				b.ReportAllocs()
				for b.Loop() {
					sinkToken, sinkErr = cred.GetToken(ctx, options)
				}
			})
		}
	}
}

// BenchmarkHitParallel shows whether hits contend: compare -cpu 1,2,4.
func BenchmarkHitParallel(b *testing.B) {
	for _, c := range candidates {
		b.Run(c.name, func(b *testing.B) {
			cred := c.open(b, at(b, new(quick)))
			get(b, cred, vault)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				ctx, options := context.Background(), policy.TokenRequestOptions{Scopes: []string{vault}}
				for pb.Next() {
					if _, err := cred.GetToken(ctx, options); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
