package bench

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// herd measures a process that starts under load.
var herd = situation{
	title: "100 cold scopes, endpoint 50 ms, 1,000 callers", goal: "about one round trip",
	run: func(t *testing.T, c candidate) outcome {
		entra := new(quick) // signatures for a hundred tokens would take longer than the round trip
		cred := c.open(t, at(t, entra))
		get(t, cred, vault) // so that discovery, if any, is not counted
		before := entra.issued.Load()
		entra.delay = 50 * time.Millisecond
		var all sync.WaitGroup
		start := time.Now()
		for i := range 1000 {
			all.Go(func() {
				_, err := timed(t.Context(), cred, numbered(i%100))
				assert.NoError(t, err)
			})
		}
		all.Wait()
		took := time.Since(start)
		return outcome{fmt.Sprintf("%s, %d requests", short(took), entra.issued.Load()-before), float64(took)}
	},
	check: func(t *testing.T, us, them outcome) { require.Greater(t, them.cost, 5*us.cost) },
}
