package cache_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

// keys lists the keys in the cache.
func keys(c *cache.Cache[string]) []string {
	var all []string
	for _, s := range c.Status() {
		all = append(all, s.Key)
	}
	return all
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New((&origin{}).fetch, &cache.Options{MaxTokens: 3})
		get(t, c, "a")
		get(t, c, "b")
		get(t, c, "c")
		get(t, c, "a")
		get(t, c, "d")
		require.ElementsMatch(t, []string{"a", "c", "d"}, keys(c))
		get(t, c, "e")
		require.ElementsMatch(t, []string{"a", "d", "e"}, keys(c))
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
		require.ElementsMatch(t, []string{"old", "new", "d"}, keys(c))
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

func TestTokensInFlightMayExceedTheBoundUntilTheyLand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{refreshIn: time.Minute}
		c := cache.New(o.fetch, &cache.Options{MaxTokens: 1})
		get(t, c, "a")
		time.Sleep(time.Minute)
		o.set(10*time.Second, nil)
		get(t, c, "a") // starts a background refresh
		go func() { _, _ = c.Renew(t.Context(), "b", "{x}") }()
		synctest.Wait()
		o.set(time.Second, nil)
		require.Equal(t, "b{y}-2", renew(t, c, "b", "{y}"), "its other challenge is still in flight")
		require.ElementsMatch(t, []string{"a", "b"}, keys(c))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, keys(c), 1)
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
		require.ElementsMatch(t, []string{"a", "b", "failing"}, keys(c))

		for i := range 100 {
			_, _ = c.Get(t.Context(), fmt.Sprint("failing ", i))
		}
		require.Len(t, c.Status(), 2+2, "failures are bounded too")
		require.Subset(t, keys(c), []string{"a", "b"})
	})
}

func TestFailureWithoutBackoffIsStillReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{err: errThrottled}
		c := cache.New(o.fetch, &cache.Options{MaxTokens: 1, Backoff: func(err error, _ int) time.Duration {
			if errors.Is(err, errThrottled) {
				return time.Minute
			}
			return 0
		}})
		_, err := c.Get(t.Context(), "throttled")
		require.ErrorIs(t, err, errThrottled)
		o.set(0, errDown)
		_, err = c.Get(t.Context(), "down")
		require.ErrorIs(t, err, errDown)
		require.Len(t, keys(c), 1)
	})
}

func TestInvalidatedTokenMakesRoomForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, &cache.Options{MaxTokens: 2})
		get(t, c, "a")
		get(t, c, "b")
		c.Invalidate("b-1")
		get(t, c, "c")
		get(t, c, "a")
		require.Equal(t, 3, o.count())
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
