package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// controller reconciles an object for each of its identities once per round, with a new credential
// each time.
type controller struct {
	every  time.Duration // interval between rounds
	rounds int
	refuse int // AADSTS code that refuses every request; zero for no refusals
}

// tenants is the number of a controller's identities.
const tenants = 50

// run returns the number of HTTP requests sent by the end of each round. Call it in a bubble.
func (k controller) run(t *testing.T, c candidate) (requests []int) {
	entra := new(entratest.Server)
	if k.refuse != 0 {
		reply := entratest.Refuse(k.refuse)
		entra.SetReply(&reply)
	}
	program := c.act(t, entra)
	for range k.rounds {
		for i := range tenants {
			_, err := timed(t.Context(), program.open(t, identity(i)), vault)
			require.Equal(t, k.refuse != 0, err != nil, "%v", err)
		}
		time.Sleep(k.every) // leaves time for a background refresh
		requests = append(requests, len(entra.Requests()))
	}
	return requests
}

func (k controller) row(title string) situation {
	return situation{
		title: title, goal: fmt.Sprint(tenants),
		onlySignIn: true,
		virtual:    true,
		run: func(t *testing.T, c candidate) outcome {
			requests := k.run(t, c)[k.rounds-1]
			return outcome{fmt.Sprint(requests), float64(requests)}
		},
		check: func(t *testing.T, us, them outcome) {
			require.EqualValues(t, tenants, us.cost)
			require.EqualValues(t, 3*tenants*k.rounds, them.cost)
		},
	}
}

var perReconcile = []situation{
	controller{every: time.Minute, rounds: 20}.row("50 identities × 20 reconciles, one a minute, a new credential each: requests"),
	controller{every: 50 * time.Millisecond, rounds: 20, refuse: 700016}.row("the same within a second, refused (AADSTS700016)"),
}
