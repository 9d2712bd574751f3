package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

func TestCallerWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: 20 * time.Second}
		c := cache.New(o.fetch, nil)
		go func() { _, _ = c.Get(context.Background(), "a") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := c.Get(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(start))
		time.Sleep(20 * time.Second)
	})
}

func TestCanceledCallerDoesNotEndTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: time.Second}
		c := cache.New(o.fetch, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(500*time.Millisecond, func() { cancel(errors.New("request gone")) })
		_, err := c.Get(ctx, "a")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "request gone")
		require.Equal(t, "a-1", get(t, c, "a").Token)
		require.Equal(t, 1, o.count())
	})
}

func TestFetchInheritsNothingFromItsCallersContext(t *testing.T) {
	type callerKey struct{}
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			deadline, ok := ctx.Deadline()
			if !ok || time.Until(deadline) != cache.DefaultTimeout || ctx.Value(callerKey{}) != nil {
				return azcore.AccessToken{}, errors.New("a caller's context reached the fetch")
			}
			return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), callerKey{}, 1), time.Hour)
		defer cancel()
		_, err := c.Get(ctx, "a")
		require.NoError(t, err)
	})
}

func TestEndedContextStartsNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Get(ended, "a")
		require.ErrorIs(t, err, context.Canceled)
		_, err = c.Renew(ended, "a", "{}")
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, o.count())

		token := get(t, c, "a")
		time.Sleep(time.Until(token.RefreshOn))
		_, err = c.Get(ended, "a")
		require.NoError(t, err, "a valid token is served")
		synctest.Wait()
		require.Equal(t, 1, o.count(), "but not refreshed for a caller that is gone")
	})
}

func TestNoGoroutineIsLeftOnceTheTimeoutHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // synctest fails if a goroutine is left when this returns
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			<-ctx.Done()
			return azcore.AccessToken{}, ctx.Err()
		}, nil)
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Get(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(cache.DefaultTimeout)
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), before)
	})
}

func TestFetchThatIgnoresItsContextIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := 0
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			if calls++; calls == 1 {
				cache.FlightOf(ctx).Report("reading a file that hangs", errDown)
				<-release
			}
			return azcore.AccessToken{Token: "second", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		start := time.Now()
		_, err := c.Get(t.Context(), "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err,
			"the exchange was abandoned after 30s while reading a file that hangs: context deadline exceeded; its last failure: endpoint is down")
		require.ErrorIs(t, err, errDown)
		require.InDelta(t, 30, time.Since(start).Seconds(), 0.2)
		time.Sleep(3 * time.Second)
		require.Equal(t, "second", get(t, c, "a").Token, "the key is not blocked")
		close(release)
		synctest.Wait()
		require.Equal(t, "second", get(t, c, "a").Token, "its late result is dropped")
	})
}

func TestFetchHasATenthOfASecondToSayWhyItDidNotEndInTime(t *testing.T) {
	for pause, want := range map[time.Duration]string{
		0:                      "no route to host",
		99 * time.Millisecond:  "no route to host",
		101 * time.Millisecond: "the exchange was abandoned after 30s while starting: context deadline exceeded",
	} {
		synctest.Test(t, func(t *testing.T) {
			c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
				<-ctx.Done()
				time.Sleep(pause)
				return azcore.AccessToken{}, errors.New("no route to host")
			}, nil)
			_, err := c.Get(t.Context(), "a")
			require.EqualError(t, err, want)
			time.Sleep(time.Second)
		})
	}
}

func TestPanicAndGoexitBecomeErrors(t *testing.T) {
	for name, row := range map[string]struct {
		fetch func()
		want  string
	}{
		"panic with a value": {func() { panic("eyJhbGciOi.hush") }, "panicked at github.com/entrafed/entrafed/cache_test.TestPanicAndGoexitBecomeErrors"},
		"runtime panic":      {func() { _ = make([]int, 1)[len(t.Name())] }, "index out of range"},
		"Goexit":             {func() { runtime.Goexit() }, "Goexit"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
					row.fetch()
					return azcore.AccessToken{}, nil
				}, nil)
				_, err := c.Get(t.Context(), "a")
				require.ErrorContains(t, err, row.want)
				require.NotContains(t, err.Error(), "hush")
			})
		})
	}
}

func TestCallerThatGivesUpLearnsWhatTheFetchWasDoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			cache.FlightOf(ctx).Report("posting", errDown)
			cache.FlightOf(ctx).Report("waiting to try again", nil)
			<-ctx.Done()
			return azcore.AccessToken{}, ctx.Err()
		}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Get(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errDown)
		require.EqualError(t, err, "context deadline exceeded; the exchange was waiting to try again; its last failure: endpoint is down")
		time.Sleep(cache.DefaultTimeout)
	})
}

func TestOutcomeIsReportedOnceWithItsCallersError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		reported := map[string][]error{}
		release := make(chan struct{})
		c := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
			cache.FlightOf(ctx).OnLanding(func(token azcore.AccessToken, err error) {
				mu.Lock()
				defer mu.Unlock()
				require.Equal(t, err == nil, token.Token != "")
				reported[key] = append(reported[key], err)
				panic("in the report")
			})
			if key == "hanging" {
				<-release
			}
			return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		get(t, c, "prompt")
		_, err := c.Get(t.Context(), "hanging")
		close(release)
		synctest.Wait()
		require.Equal(t, map[string][]error{"prompt": {nil}, "hanging": {err}}, reported, "not reported again when it returns")
	})
}

func TestOnWaitReportsWaitsAndTheirFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var flights, ended []string
		waits, delay := 0, 10*time.Second
		c := cache.New(func(ctx context.Context, _, claims string) (azcore.AccessToken, error) {
			flights = append(flights, cache.FlightOf(ctx).ID())
			time.Sleep(delay)
			return azcore.AccessToken{Token: "t" + claims, ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, &cache.Options{OnWait: func(_ context.Context, key any, result func() (string, error)) {
			require.Equal(t, "a", key)
			flight, err := result()
			require.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			waits++
			ended = append(ended, flight)
		}})
		go func() { _, _ = c.Get(t.Context(), "a") }() // gets the answer to the challenge
		synctest.Wait()
		delay = time.Second
		renew(t, c, "a", "{x}")
		time.Sleep(10 * time.Second)
		get(t, c, "a")
		synctest.Wait()
		require.Equal(t, 2, waits, "a hit does not wait")
		require.ElementsMatch(t, []string{flights[0], flights[1]}, ended)
	})
}

func TestFlightReportsWhetherAnybodyWaitedAtItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var background []bool
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			f := cache.FlightOf(ctx)
			require.NotEmpty(t, f.ID())
			background = append(background, f.Background())
			return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		first := get(t, c, "a")
		time.Sleep(time.Until(first.RefreshOn))
		get(t, c, "a")
		synctest.Wait()
		renew(t, c, "a", "{x}")
		c.Prefetch("b")
		synctest.Wait()
		require.Equal(t, []bool{false, true, false, true}, background)
	})
}

func TestOutsideAFetchAFlightDoesNothing(t *testing.T) {
	f := cache.FlightOf(t.Context())
	require.Empty(t, f.ID())
	require.False(t, f.Background())
	require.False(t, f.Pause(t.Context(), time.Hour))
	f.Report("testing", errDown)
	f.OnLanding(func(azcore.AccessToken, error) { t.Error("there is no fetch to report") })
}

// A retry that nobody waits for is a wasted request.
func TestPauseEndsWhenNobodyWaits(t *testing.T) {
	type waiters func(t *testing.T, c *cache.Cache[string])
	giveUpAfter := func(d time.Duration) waiters {
		return func(t *testing.T, c *cache.Cache[string]) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_, _ = c.Get(ctx, "a")
		}
	}
	prefetch := func(_ *testing.T, c *cache.Cache[string]) { c.Prefetch("a") }
	for name, row := range map[string]struct {
		waiters []waiters
		ends    time.Duration // since the start
		again   bool          // Pause returned true
	}{
		"somebody waits":           {[]waiters{giveUpAfter(20 * time.Second)}, 11 * time.Second, true},
		"the only one gives up":    {[]waiters{giveUpAfter(2 * time.Second)}, 2 * time.Second, false},
		"one of two gives up":      {[]waiters{giveUpAfter(2 * time.Second), giveUpAfter(20 * time.Second)}, 11 * time.Second, true},
		"both give up":             {[]waiters{giveUpAfter(2 * time.Second), giveUpAfter(3 * time.Second)}, 3 * time.Second, false},
		"a prefetch, nobody waits": {[]waiters{prefetch}, time.Second, false},
		"a prefetch is joined":     {[]waiters{prefetch, giveUpAfter(20 * time.Second)}, 11 * time.Second, true},
		"a challenge's caller gives up": {[]waiters{func(t *testing.T, c *cache.Cache[string]) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, _ = c.Renew(ctx, "a", "{x}")
		}}, 2 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var ended time.Duration
				var again bool
				c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
					time.Sleep(time.Second)
					again = cache.FlightOf(ctx).Pause(ctx, 10*time.Second)
					ended = time.Since(start)
					return azcore.AccessToken{}, errDown
				}, nil)
				for _, wait := range row.waiters {
					go wait(t, c)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Equal(t, row.ends, ended)
				require.Equal(t, row.again, again)
			})
		})
	}
}

// A fetch that waits for another token of its cache waits on behalf of its own callers.
func TestPauseOfAnInnerFetchEndsWhenNobodyWaitsForTheOuterOne(t *testing.T) {
	giveUpAfter := func(t *testing.T, c *cache.Cache[string], key string, d time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		_, _ = c.Get(ctx, key)
	}
	for name, row := range map[string]struct {
		callers func(t *testing.T, c *cache.Cache[string])
		ends    time.Duration // the inner fetch's pause, since the start
	}{
		"the only caller gives up": {func(t *testing.T, c *cache.Cache[string]) { giveUpAfter(t, c, "outer", 2*time.Second) }, 2 * time.Second},
		"the caller stays":         {func(t *testing.T, c *cache.Cache[string]) { giveUpAfter(t, c, "outer", 20*time.Second) }, 10 * time.Second},
		"another joins, then both give up": {func(t *testing.T, c *cache.Cache[string]) {
			go giveUpAfter(t, c, "outer", 2*time.Second)
			giveUpAfter(t, c, "outer", 3*time.Second)
		}, 3 * time.Second},
		"a caller of the inner one stays": {func(t *testing.T, c *cache.Cache[string]) {
			go giveUpAfter(t, c, "outer", 2*time.Second)
			giveUpAfter(t, c, "inner", 20*time.Second)
		}, 10 * time.Second},
		"a refresh of the outer one, for nobody": {func(_ *testing.T, c *cache.Cache[string]) { c.Prefetch("outer") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c *cache.Cache[string]
				start, ended := time.Now(), time.Duration(-1)
				c = cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
					if key == "outer" {
						return c.Get(ctx, "inner")
					}
					cache.FlightOf(ctx).Pause(ctx, 10*time.Second)
					ended = time.Since(start)
					return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
				}, nil)
				row.callers(t, c)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Equal(t, row.ends, ended)
			})
		})
	}
}

// A fetch that waits for itself, on its own or by way of another, ends at its timeout and blocks no
// other key.
func TestFetchThatWaitsForItselfTimesOut(t *testing.T) {
	for name, asks := range map[string]map[string]string{
		"for its own key":        {"a": "a"},
		"by way of another":      {"a": "b", "b": "a"},
		"by way of a whole ring": {"a": "b", "b": "c", "c": "a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c *cache.Cache[string]
				c = cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
					if next, ok := asks[key]; ok {
						return c.Get(ctx, next)
					}
					return azcore.AccessToken{Token: key, ExpiresOn: time.Now().Add(time.Hour)}, nil
				}, nil)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				_, err := c.Get(ctx, "a")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, "other", get(t, c, "other").Token)
				time.Sleep(time.Minute)
				synctest.Wait()
			})
		})
	}
}

func TestHugeTimeoutIsClamped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New((&origin{delay: time.Second}).fetch, &cache.Options{Timeout: math.MaxInt64})
		_, err := c.Get(t.Context(), "a")
		require.NoError(t, err)
	})
}

// usesCache is a context's cause whose text comes from the cache.
type usesCache struct{ c *cache.Cache[string] }

func (e usesCache) Error() string { return fmt.Sprint("stopped with keys: ", len(e.c.Status())) }

func TestContextsCauseMayUseTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New((&origin{}).fetch, nil)
		get(t, c, "a")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(usesCache{c})
		_, err := c.Get(ctx, "b")
		require.ErrorContains(t, err, "stopped with keys: 1")
	})
}

// A fetch for another fetch is in the background if that one is.
func TestFetchBehindAPrefetchIsInTheBackground(t *testing.T) {
	for name, row := range map[string]struct {
		start func(c *cache.Cache[string])
		want  bool
	}{
		"prefetch": {func(c *cache.Cache[string]) { c.Prefetch("outer") }, true},
		"get":      {func(c *cache.Cache[string]) { _, _ = c.Get(context.Background(), "outer") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				background := map[string]bool{}
				var c *cache.Cache[string]
				c = cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
					background[key] = cache.FlightOf(ctx).Background()
					if key == "outer" {
						return c.Get(ctx, "inner")
					}
					return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
				}, nil)
				row.start(c)
				synctest.Wait()
				require.Equal(t, map[string]bool{"outer": row.want, "inner": row.want}, background)
			})
		})
	}
}

func TestPauseIsOverWhenItsContextIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := 0
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			for range 100 { // both the timer and the context are ready
				if cache.FlightOf(ctx).Pause(ended, 0) {
					again++
				}
			}
			return azcore.AccessToken{}, errDown
		}, nil)
		_, err := c.Get(t.Context(), "a")
		require.ErrorIs(t, err, errDown)
		require.Zero(t, again)
	})
}

func TestEmptyTokenIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
			return azcore.AccessToken{ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		_, err := c.Get(t.Context(), "a")
		require.ErrorContains(t, err, "empty token")
	})
}
