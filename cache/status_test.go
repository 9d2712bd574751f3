package cache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

func TestStatusReportsEachKeysState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		token := get(t, c, "a")
		status := func() cache.Status[string] { return c.Status()[0] }
		require.Equal(t, cache.Status[string]{Key: "a", ExpiresOn: token.ExpiresOn, RefreshOn: token.RefreshOn}, status())

		time.Sleep(time.Until(token.RefreshOn))
		o.set(time.Second, errDown)
		get(t, c, "a")
		synctest.Wait()
		require.True(t, status().InFlight)
		require.Equal(t, "starting", status().Doing)

		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, status().InFlight)
		require.ErrorIs(t, status().LastError, errDown)
		require.Equal(t, time.Now().Round(0), status().FailedAt.Round(0))
		require.True(t, status().NextAttempt.After(time.Now()))
		require.Equal(t, token.ExpiresOn, status().ExpiresOn, "the token is still there")
	})
}
