package cache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

func TestPrefetchWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: time.Second}
		c := cache.New(o.fetch, nil)
		start := time.Now()
		c.Prefetch("a")
		require.Zero(t, time.Since(start))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "a-1", get(t, c, "a").Token)
		require.Equal(t, time.Second, time.Since(start), "the token was already there")
	})
}

func TestPrefetchDoesNothingForAKeyThatNeedsNoFetch(t *testing.T) {
	known := func(age time.Duration) func(*testing.T, *cache.Cache[string], *origin) {
		return func(t *testing.T, c *cache.Cache[string], _ *origin) {
			get(t, c, "a")
			time.Sleep(age)
		}
	}
	failed := func(age time.Duration) func(*testing.T, *cache.Cache[string], *origin) {
		return func(t *testing.T, c *cache.Cache[string], o *origin) {
			o.set(0, errDown)
			_, err := c.Get(t.Context(), "a")
			require.ErrorIs(t, err, errDown)
			time.Sleep(age)
		}
	}
	const window = 5 * time.Second // before expiry
	for name, row := range map[string]struct {
		before  func(*testing.T, *cache.Cache[string], *origin)
		fetches bool
	}{
		"a fresh token":                 {known(22 * time.Minute), false},
		"a stale token":                 {known(30 * time.Minute), true},
		"a token in its last seconds":   {known(time.Hour - window), true},
		"an expired token":              {known(2 * time.Hour), true},
		"a failure that stands":         {failed(0), false},
		"a failure whose pause is over": {failed(2 * time.Second), true},
		"a fetch in flight":             {func(_ *testing.T, c *cache.Cache[string], o *origin) { o.set(time.Second, nil); c.Prefetch("a") }, false},
		"an invalidated token":          {func(t *testing.T, c *cache.Cache[string], _ *origin) { c.Invalidate(get(t, c, "a").Token) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{}
				c := cache.New(o.fetch, nil)
				row.before(t, c, o)
				synctest.Wait()
				before := o.count()
				o.set(time.Second, nil)
				c.Prefetch("a")
				c.Prefetch("a")
				synctest.Wait()
				require.Equal(t, row.fetches, o.count() > before)
				require.LessOrEqual(t, o.count(), before+1)
				time.Sleep(time.Second)
			})
		})
	}
}
