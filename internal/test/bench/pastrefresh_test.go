package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// pastRefresh measures an outage that callers need not notice: the token is valid for two more
// hours.
var pastRefresh = situation{
	title: "token valid for 2 h, past refresh_in, endpoint 503: 3 callers", goal: "0 s, 1 request, back-off",
	onlySignIn: true, virtual: true,
	run: func(t *testing.T, c candidate) outcome {
		entra := &entratest.Server{Lifetime: 4 * time.Hour, RefreshIn: 2 * time.Hour}
		cred := queued(c, c.open(t, at(t, entra)))
		get(t, cred, vault)
		time.Sleep(2*time.Hour + time.Second)
		entra.SetReply(new(entratest.Unavailable(0)))
		before := tokenRequests(entra)

		waits := threeCallers(t, cred)
		synctest.Wait() // lets the background exchange get as far as it can before time advances
		atOnce := tokenRequests(entra) - before
		time.Sleep(30 * time.Second)
		later := tokenRequests(entra) - before
		slices.Sort(waits)
		var texts []string
		for _, w := range waits {
			texts = append(texts, short(w))
		}
		return outcome{
			text: fmt.Sprintf("%s; requests: %d when the last returns, %d after 30 s more", strings.Join(slices.Compact(texts), ", "), atOnce, later),
			cost: waits[2].Seconds(),
		}
	},
	check: func(t *testing.T, us, them outcome) {
		require.Zero(t, us.cost, "nobody waits while a token is valid")
		require.Contains(t, us.text, "requests: 1 when the last returns", "three callers start one exchange")
		require.Greater(t, them.cost, 1.0)
	},
}

// threeCallers request a token at the same time. All must get one.
func threeCallers(t *testing.T, cred azcore.TokenCredential) []time.Duration {
	var all sync.WaitGroup
	waits := make([]time.Duration, 3)
	for i := range waits {
		all.Go(func() {
			var err error
			waits[i], err = timed(context.Background(), cred, vault)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	return waits
}
