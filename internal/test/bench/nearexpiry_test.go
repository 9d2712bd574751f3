package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// nearExpiry measures an outage in the last minutes of a token that every resource still accepts.
var nearExpiry = situation{
	title: "token with 299 s left, endpoint down", goal: "served",
	virtual: true,
	run: func(t *testing.T, c candidate) outcome {
		entra := new(entratest.Server)
		cred := queued(c, c.open(t, at(t, entra)))
		had := get(t, cred, vault)
		time.Sleep(time.Until(had.ExpiresOn) - 299*time.Second)
		entra.SetReply(new(entratest.Unavailable(0)))
		waited, err := timed(t.Context(), cred, vault)
		if err != nil {
			return outcome{fmt.Sprintf("error after %s", short(waited)), 1}
		}
		return outcome{fmt.Sprintf("served after %s", short(waited)), 0}
	},
	check: func(t *testing.T, us, _ outcome) { require.Equal(t, "served after 0 s", us.text) },
}
