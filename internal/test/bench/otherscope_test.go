package bench

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// hanging is the duration of an exchange that hangs. The longer it is, the longer azidentity's
// callers wait.
const hanging = 5 * time.Second

// hang starts an exchange for another scope and returns when the endpoint has received it.
func hang(t *testing.T, c candidate) (cred azcore.TokenCredential, wait func()) {
	entra := new(entratest.Server)
	cred = c.open(t, at(t, entra))
	get(t, cred, vault)
	before := len(entra.Requests())
	entra.SetDelay(hanging)
	var other sync.WaitGroup
	other.Go(func() { _, _ = timed(context.Background(), cred, storage) })
	for len(entra.Requests()) == before {
		time.Sleep(time.Millisecond)
	}
	return cred, other.Wait
}

// otherScope requests a cached token while another scope's exchange hangs.
var otherScope = situation{
	title: "cached scope while another scope's exchange hangs (5 s)", goal: "microseconds",
	run: func(t *testing.T, c candidate) outcome {
		cred, wait := hang(t, c)
		waited, err := timed(t.Context(), cred, vault)
		wait()
		require.NoError(t, err)
		return outcome{short(waited), float64(waited)}
	},
	check: func(t *testing.T, us, them outcome) { require.Greater(t, them.cost, 10*us.cost) },
}
