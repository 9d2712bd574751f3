package bench

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// memory measures the overhead of a cached token.
var memory = situation{
	title: fmt.Sprintf("memory per cached token of %d B", tokenSize), goal: "a token and a little",
	run: func(t *testing.T, c candidate) outcome {
		const held = 2000
		cred := c.open(t, at(t, new(quick)))
		get(t, cred, vault)
		before := heap()
		for i := range held {
			get(t, cred, numbered(i))
		}
		each := (heap() - before) / held
		runtime.KeepAlive(cred)
		return outcome{bytesText(each), float64(each)}
	},
	check: func(t *testing.T, us, them outcome) { require.Less(t, us.cost, 2*them.cost) },
}
