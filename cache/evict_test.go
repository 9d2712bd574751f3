package cache_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

// held lists the keys that are served without a fetch.
func held(c *cache.Cache[string]) []string {
	var keys []string
	for _, s := range c.Status() {
		keys = append(keys, s.Key)
	}
	return keys
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New((&origin{}).fetch, &cache.Options{MaxTokens: 3})
		get(t, c, "a")
		get(t, c, "b")
		get(t, c, "c")
		get(t, c, "a")
		get(t, c, "d")
		require.ElementsMatch(t, []string{"a", "c", "d"}, held(c))
		get(t, c, "e")
		require.ElementsMatch(t, []string{"a", "d", "e"}, held(c))
	})
}

func TestExpiredGoBeforeTheLeastRecentlyUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, &cache.Options{MaxTokens: 3})
		get(t, c, "old")
		o.lifetime = time.Minute
		get(t, c, "short")
		o.lifetime = time.Hour
		get(t, c, "new")
		get(t, c, "short")
		time.Sleep(time.Minute)
		get(t, c, "d")
		require.ElementsMatch(t, []string{"old", "new", "d"}, held(c))
	})
}

func TestKeysInFlightAreNeverEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: 10 * time.Second}
		c := cache.New(o.fetch, &cache.Options{MaxTokens: 2})
		for i := range 10 {
			go func() { _, _ = c.Get(t.Context(), fmt.Sprint(i)) }()
		}
		synctest.Wait()
		require.Len(t, c.Status(), 10)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, c.Status(), 2, "the bound holds once they have landed")
	})
}

func TestFailingKeysCostNoTokenAndAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, &cache.Options{MaxTokens: 2})
		get(t, c, "a")
		get(t, c, "b")
		o.set(0, errDown)
		for range 100 {
			_, err := c.Get(t.Context(), "failing")
			require.ErrorIs(t, err, errDown)
		}
		require.Equal(t, 3, o.count())
		require.ElementsMatch(t, []string{"a", "b", "failing"}, held(c))

		for i := range 100 {
			_, _ = c.Get(t.Context(), fmt.Sprint("failing ", i))
		}
		require.Len(t, c.Status(), 2+2, "failures are bounded, too")
		require.Subset(t, held(c), []string{"a", "b"})
	})
}

func TestTokenIsNotEvictedAsItLands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, &cache.Options{MaxTokens: 2})
		get(t, c, "a")
		get(t, c, "b")
		o.set(time.Second, nil)
		go func() { _, _ = c.Get(t.Context(), "new") }()
		synctest.Wait()
		get(t, c, "a")
		get(t, c, "b")
		time.Sleep(time.Second)
		synctest.Wait()
		get(t, c, "new")
		require.Equal(t, 3, o.count())
	})
}

func TestManyKeysNeverExceedTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New((&origin{}).fetch, &cache.Options{MaxTokens: 100})
		for i := range 10_000 {
			get(t, c, fmt.Sprint(i))
			if i%1000 == 0 {
				time.Sleep(20 * time.Minute)
				for range 50 {
					get(t, c, fmt.Sprint(i))
				}
			}
		}
		require.Len(t, c.Status(), 100)
	})
}

func TestStatusTellsEachKeysState(t *testing.T) {
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

func ExampleCache() {
	c := cache.New(func(_ context.Context, key, _ string) (azcore.AccessToken, error) {
		return azcore.AccessToken{Token: "token for " + key, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, nil)
	token, err := c.Get(context.Background(), "vault")
	fmt.Println(token.Token, err)
	// Output: token for vault <nil>
}
