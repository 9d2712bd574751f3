package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

func TestFreshTokenIsServedFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		first := get(t, c, "a")
		time.Sleep(20 * time.Minute)
		require.Equal(t, first.Token, get(t, c, "a").Token)
		synctest.Wait()
		require.Equal(t, 1, o.count())
	})
}

func TestStaleTokenIsServedWhileOneBackgroundFetchRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		first := get(t, c, "a")
		time.Sleep(time.Until(first.RefreshOn))
		o.set(10*time.Second, nil)
		for range 100 {
			start := time.Now()
			require.Equal(t, "a-1", get(t, c, "a").Token)
			require.Zero(t, time.Since(start))
		}
		synctest.Wait()
		require.Equal(t, 2, o.count())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, "a-2", get(t, c, "a").Token)
	})
}

// overtaken is a context whose Err calls by: after a hit has read the cache, but before it acts on
// the result.
type overtaken struct {
	context.Context
	by func()
}

func (c overtaken) Err() error { c.by(); return nil }

func TestStaleHitThatIsOvertakenStartsNoFetch(t *testing.T) {
	for name, row := range map[string]struct {
		by      func(*testing.T, *cache.Cache[string])
		fetches int
	}{
		"by nothing":               {func(*testing.T, *cache.Cache[string]) {}, 2},
		"by another's refresh":     {func(t *testing.T, c *cache.Cache[string]) { get(t, c, "a") }, 2},
		"by another's newer token": {func(t *testing.T, c *cache.Cache[string]) { get(t, c, "a"); time.Sleep(time.Second); synctest.Wait() }, 2},
		"by an invalidation":       {func(_ *testing.T, c *cache.Cache[string]) { c.Invalidate("a-1") }, 1},
		"by its eviction":          {func(t *testing.T, c *cache.Cache[string]) { get(t, c, "b") }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{}
				c := cache.New(o.fetch, &cache.Options{MaxTokens: 1})
				first := get(t, c, "a")
				time.Sleep(time.Until(first.RefreshOn))
				o.set(time.Second, nil)
				got, err := c.Get(overtaken{t.Context(), func() { row.by(t, c) }}, "a")
				require.NoError(t, err)
				require.Equal(t, first.Token, got.Token)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Equal(t, row.fetches, o.count())
			})
		})
	}
}

func TestExpiredTokenIsNeverReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		get(t, c, "a")
		o.set(0, errDown)
		time.Sleep(time.Hour)
		_, err := c.Get(t.Context(), "a")
		require.ErrorIs(t, err, errDown)
	})
}

func TestTokenStatesAtTheirBoundaries(t *testing.T) {
	const refreshIn = 30 * time.Minute
	for _, row := range []struct {
		name  string
		at    func(azcore.AccessToken) time.Time
		token string // served while every fetch takes a second
		waits bool
	}{
		{"a nanosecond before RefreshOn", func(t azcore.AccessToken) time.Time { return t.RefreshOn.Add(-1) }, "a-1", false},
		{"at RefreshOn", func(t azcore.AccessToken) time.Time { return t.RefreshOn }, "a-1", false},
		{"a nanosecond before the last five seconds", func(t azcore.AccessToken) time.Time { return t.ExpiresOn.Add(-5*time.Second - 1) }, "a-1", false},
		{"in the last five seconds", func(t azcore.AccessToken) time.Time { return t.ExpiresOn.Add(-5 * time.Second) }, "a-2", true},
		{"at expiry", func(t azcore.AccessToken) time.Time { return t.ExpiresOn }, "a-2", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{refreshIn: refreshIn}
				c := cache.New(o.fetch, nil)
				first := get(t, c, "a")
				time.Sleep(time.Until(row.at(first)))
				o.set(time.Second, nil)
				start := time.Now()
				require.Equal(t, row.token, get(t, c, "a").Token)
				require.Equal(t, row.waits, time.Since(start) > 0)
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestTokenInItsLastSecondsIsServedOnlyIfTheFetchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		first := get(t, c, "a")
		time.Sleep(time.Until(first.ExpiresOn) - 4*time.Second)
		o.set(time.Second, errDown)
		start := time.Now()
		require.Equal(t, "a-1", get(t, c, "a").Token)
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, "a-1", get(t, c, "a").Token, "also while the failure is remembered")
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestTokenInItsLastSecondsIsNotReturnedToACallerThatGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		first := get(t, c, "a")
		time.Sleep(time.Until(first.ExpiresOn) - 4*time.Second)
		o.set(2*time.Second, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Get(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Second)
	})
}

func TestRefreshIsDueAtRefreshOnElseHalfway(t *testing.T) {
	for _, row := range []struct {
		name                string
		lifetime, refreshIn time.Duration
		want                time.Duration // the latest; jitter makes it up to a quarter earlier
	}{
		{"as returned", 24 * time.Hour, 12 * time.Hour, 12 * time.Hour},
		{"one second", time.Hour, time.Second, time.Second},
		{"a nanosecond before expiry", time.Hour, time.Hour - 1, time.Hour - 1},
		{"none: halfway", time.Hour, 0, 30 * time.Minute},
		{"at expiry: halfway", time.Hour, time.Hour, 30 * time.Minute},
		{"after expiry: halfway", time.Hour, 2 * time.Hour, 30 * time.Minute},
		{"in the past: halfway", time.Hour, -time.Hour, 30 * time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
					t := azcore.AccessToken{Token: "t", ExpiresOn: start.Add(row.lifetime)}
					if row.refreshIn != 0 {
						t.RefreshOn = start.Add(row.refreshIn)
					}
					return t, nil
				}, nil)
				for i := range 200 {
					got := get(t, c, fmt.Sprint(i)).RefreshOn.Sub(start)
					require.LessOrEqual(t, got, row.want)
					require.GreaterOrEqual(t, got, row.want*3/4-1)
				}
			})
		})
	}
}

// A fleet that got its tokens together must not refresh them together.
func TestRefreshesAreSpreadEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fleet, buckets, refreshIn = 4000, 10, 40 * time.Minute
		o := &origin{refreshIn: refreshIn}
		var histogram [buckets]int
		for range fleet {
			c := cache.New(o.fetch, nil)
			early := refreshIn - time.Until(get(t, c, "a").RefreshOn)
			histogram[min(buckets-1, int(early*buckets/(refreshIn/4)))]++
		}
		for i, n := range histogram {
			require.InDelta(t, fleet/buckets, n, 120, "tenth %d of the last quarter: %v", i, histogram)
		}
	})
}

func TestThousandCallersOfAColdKeyMakeOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: time.Second}
		c := cache.New(o.fetch, nil)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				token, err := c.Get(t.Context(), "a")
				if err != nil || token.Token != "a-1" {
					t.Errorf("got %q, %v", token.Token, err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, o.count())
	})
}

func TestColdKeysAreFetchedConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: 50 * time.Millisecond}
		c := cache.New(o.fetch, nil)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { _, _ = c.Get(t.Context(), fmt.Sprint(i%100)) })
		}
		wg.Wait()
		require.Equal(t, 100, o.count())
		require.Equal(t, 50*time.Millisecond, time.Since(start))
	})
}

func TestHangingKeyDoesNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		get(t, c, "cached")
		o.set(time.Hour, nil)
		go func() { _, _ = c.Get(t.Context(), "hanging") }()
		synctest.Wait()
		start := time.Now()
		get(t, c, "cached")
		require.Zero(t, time.Since(start))
		o.set(0, nil)
		get(t, c, "other")
		require.Zero(t, time.Since(start))
		time.Sleep(time.Minute)
	})
}

func TestOneDayOfATokensLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		for end := time.Now().Add(24 * time.Hour); time.Now().Before(end); time.Sleep(time.Minute) {
			start := time.Now()
			token := get(t, c, "a")
			require.True(t, token.ExpiresOn.After(start))
			if o.count() > 1 {
				require.Zero(t, time.Since(start), "only the first caller waits")
			}
		}
		require.InDelta(t, 24*60/26, o.count(), 10)
	})
}

func TestUnusableTokenIsAnError(t *testing.T) {
	for name, expiry := range map[string]time.Duration{"expired": -time.Second, "expiring now": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
					return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(expiry)}, nil
				}, nil)
				_, err := c.Get(t.Context(), "a")
				require.ErrorContains(t, err, "expired at")
			})
		})
	}
}

func TestErrorsOfTheFetchAreReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &timeoutError{}
		c := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
			return azcore.AccessToken{}, fmt.Errorf("outer: %w", inner)
		}, nil)
		for range 2 { // the second error is the remembered one
			_, err := c.Get(t.Context(), "a")
			var got *timeoutError
			require.ErrorAs(t, err, &got)
			require.True(t, errors.Is(err, inner))
		}
	})
}

type timeoutError struct{}

func (*timeoutError) Error() string { return "timed out" }

func TestLifetimeIsCappedAtTenYears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches, start := 0, time.Now()
		c := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
			fetches++
			return azcore.AccessToken{Token: "t", ExpiresOn: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
		}, nil)
		for range 100 {
			require.Equal(t, 10*365*24*time.Hour, get(t, c, "a").ExpiresOn.Sub(start))
		}
		require.Equal(t, 1, fetches)
	})
}
