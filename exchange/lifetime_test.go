package exchange_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const longest = 48 * time.Hour

// lifetimes maps the JSON of a lifetime in seconds to its meaning. Zero means that it is invalid.
var lifetimes = map[string]time.Duration{
	`3599`: 3599 * time.Second, `"3599"`: 3599 * time.Second, `3599.0`: 3599 * time.Second, `"3599.5"`: 3599500 * time.Millisecond,
	`1`: time.Second, `3.599e3`: 3599 * time.Second, `0.5`: 500 * time.Millisecond, `86399`: 86399 * time.Second,
	`172800`: longest, `172801`: longest, `1e300`: longest, `1e400`: longest, `"1e400"`: longest,
	"1" + strings.Repeat("0", 30): longest, `"1` + strings.Repeat("0", 30) + `"`: longest, `9223372036854775807`: longest,

	``: 0, `"inf"`: 0, `"+Infinity"`: 0, `0`: 0, `-0`: 0, `"0"`: 0, `-1`: 0, `"-3599"`: 0, `-1e300`: 0, `-1e400`: 0, `1e-300`: 0,
	`"-inf"`: 0, `"NaN"`: 0, `"nan"`: 0,
	`"abc"`: 0, `""`: 0, `" "`: 0, `"3599s"`: 0, `"1h"`: 0, `null`: 0, `true`: 0, `false`: 0, `{}`: 0, `{"a":1}`: 0, `[]`: 0, `[3599]`: 0,
}

func withLifetimes(expiresIn, refreshIn string) doFunc {
	text := `{"token_type":"Bearer","access_token":"` + accessToken + `"`
	if expiresIn != "" {
		text += `,"expires_in":` + expiresIn
	}
	if refreshIn != "" {
		text += `,"refresh_in":` + refreshIn
	}
	return always(200, "application/json", text+"}")
}

func TestExpiresIn(t *testing.T) {
	for expiresIn, want := range lifetimes {
		t.Run(expiresIn, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				token, err := do(t, withLifetimes(expiresIn, ""))
				if want == 0 {
					require.ErrorContains(t, err, "expires_in")
					assert.NotContains(t, err.Error(), accessToken[:20])
					return
				}
				require.NoError(t, err)
				assert.Equal(t, want, time.Until(token.ExpiresOn))
				assert.Zero(t, token.RefreshOn)
			})
		})
	}
}

func TestRefreshIn(t *testing.T) {
	for refreshIn, want := range lifetimes {
		if want >= time.Hour {
			want = 0 // the token would have expired by then
		}
		t.Run(refreshIn, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				token, err := do(t, withLifetimes("3600", refreshIn))
				require.NoError(t, err, "refresh_in is only a hint")
				assert.Equal(t, time.Hour, time.Until(token.ExpiresOn))
				if want == 0 {
					assert.Zero(t, token.RefreshOn)
					return
				}
				assert.Equal(t, want, time.Until(token.RefreshOn))
			})
		})
	}
}

func TestRefreshInWithinTheLifetime(t *testing.T) {
	for refreshIn, ok := range map[string]bool{"3599": true, "3600": false, "3601": false, `"1800"`: true} {
		token, err := do(t, withLifetimes("3600", refreshIn))
		require.NoError(t, err)
		assert.Equal(t, ok, !token.RefreshOn.IsZero(), refreshIn)
	}
}

func TestLifetimeCountsFromSendingTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entra := entratest.Server{Lifetime: 24 * time.Hour, RefreshIn: 12 * time.Hour}
		entra.SetDelay(3 * time.Second)
		entra.Enqueue(entratest.Unavailable(4 * time.Second))
		o := &exchange.ClientOptions{}
		o.Transport = &entra
		start := time.Now()
		token, err := newClient(t, o).Exchange(t.Context(), request())
		require.NoError(t, err)
		require.Equal(t, 10*time.Second, time.Since(start))
		last := start.Add(7 * time.Second)
		assert.Equal(t, last.Add(24*time.Hour).UTC(), token.ExpiresOn.Round(0))
		assert.Equal(t, last.Add(12*time.Hour).UTC(), token.RefreshOn.Round(0))
	})
}

func TestTimesAreUTCAndOnTheWallClock(t *testing.T) {
	token, err := do(t, withLifetimes("3600", "1800"))
	require.NoError(t, err)
	for _, at := range []time.Time{token.ExpiresOn, token.RefreshOn} {
		assert.Equal(t, time.UTC, at.Location())
		assert.NotContains(t, at.String(), "m=", "no monotonic reading, because a machine may sleep")
	}
}
