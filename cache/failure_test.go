package cache_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

func TestFailureIsSharedUntilTheNextAttemptIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{err: errDown}
		c := cache.New(o.fetch, nil)
		for range 1000 {
			_, err := c.Get(t.Context(), "a")
			require.ErrorIs(t, err, errDown)
		}
		require.Equal(t, 1, o.count())
		_, err := c.Get(t.Context(), "a")
		require.ErrorContains(t, err, "failure 1, backing off: next attempt at 2000-01-01 00:00:01.")
		time.Sleep(2 * time.Second)
		o.set(0, nil)
		get(t, c, "a")
		require.Equal(t, 2, o.count())
	})
}

func TestFailedBackgroundRefreshOnlyMovesTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{lifetime: 24 * time.Hour, refreshIn: time.Hour}
		c := cache.New(o.fetch, nil)
		first := get(t, c, "a")
		time.Sleep(time.Hour)
		o.set(0, errDown)
		for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			require.Equal(t, first.Token, get(t, c, "a").Token)
		}
		attempts := o.count() - 1
		require.LessOrEqual(t, attempts, 5+20, "after 1, 2, 4, 8 and 16 s, then every 30 to 60 s")
		require.GreaterOrEqual(t, attempts, 10)
		o.set(0, nil)
		time.Sleep(time.Minute)
		get(t, c, "a")
		synctest.Wait()
		require.NotEqual(t, first.Token, get(t, c, "a").Token)
	})
}

func TestStaleTokenIsRefreshedAtTheInstantThatTheNextAttemptIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, &cache.Options{Backoff: func(error, int) time.Duration { return time.Second }})
		first := get(t, c, "a")
		time.Sleep(time.Until(first.RefreshOn))
		o.set(0, errDown)
		get(t, c, "a")
		for _, row := range []struct {
			pause   time.Duration
			fetches int
		}{{0, 2}, {time.Second - 1, 2}, {1, 3}} {
			time.Sleep(row.pause)
			get(t, c, "a")
			synctest.Wait()
			require.Equal(t, row.fetches, o.count())
		}
	})
}

func TestBackoffDoublesToAMinuteWithJitter(t *testing.T) {
	for failures, base := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 8 * time.Second, 5: 16 * time.Second,
		6: 30 * time.Second, 7: 30 * time.Second, 1 << 30: 30 * time.Second,
	} {
		seen := map[time.Duration]bool{}
		for range 100 {
			got := cache.Backoff(failures)
			require.GreaterOrEqual(t, got, base)
			require.Less(t, got, 2*base)
			seen[got] = true
		}
		require.Greater(t, len(seen), 90)
	}
}

func TestBackoffIsResetBySuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counts []int
		o := &origin{err: errDown}
		c := cache.New(o.fetch, &cache.Options{Backoff: func(err error, failures int) time.Duration {
			require.ErrorIs(t, err, errDown)
			counts = append(counts, failures)
			return time.Second
		}})
		for range 3 {
			_, _ = c.Get(t.Context(), "a")
			time.Sleep(time.Second)
		}
		o.set(0, nil)
		get(t, c, "a")
		time.Sleep(2 * time.Hour)
		o.set(0, errDown)
		_, _ = c.Get(t.Context(), "a")
		require.Equal(t, []int{1, 2, 3, 1}, counts)
	})
}

var errThrottled = errors.New("throttled")

func TestRetryAfterGoesBeforeBackoffAndIsStretchedByAFifthAtMost(t *testing.T) {
	for name, row := range map[string]struct{ requested, least, most time.Duration }{
		"a nanosecond":  {1, 1, 1},
		"a minute":      {time.Minute, time.Minute, 72 * time.Second},
		"fifty minutes": {50 * time.Minute, 50 * time.Minute, time.Hour},
		"a day":         {24 * time.Hour, time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{err: errThrottled}
				c := cache.New(o.fetch, &cache.Options{RetryAfter: func(error) time.Duration { return row.requested }})
				_, err := c.Get(t.Context(), "a")
				require.ErrorIs(t, err, errThrottled)
				time.Sleep(row.least - 1)
				_, err = c.Get(t.Context(), "a")
				require.ErrorIs(t, err, errThrottled)
				require.ErrorContains(t, err, "asked to wait: next attempt at 2000-01-01")
				require.Equal(t, 1, o.count())
				time.Sleep(row.most - row.least + 1)
				_, _ = c.Get(t.Context(), "a")
				require.Equal(t, 2, o.count())
			})
		})
	}
}

func TestRequestedPauseStandsWhateverElseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: 2 * time.Second, err: errDown}
		c := cache.New(o.fetch, &cache.Options{RetryAfter: func(err error) time.Duration {
			if errors.Is(err, errThrottled) {
				return 10 * time.Minute
			}
			return 0
		}})
		go func() { _, _ = c.Get(t.Context(), "a") }()
		synctest.Wait()
		o.set(time.Second, errThrottled)
		_, err := c.Renew(t.Context(), "a", "{x}")
		require.ErrorIs(t, err, errThrottled)
		time.Sleep(5 * time.Minute)
		_, err = c.Get(t.Context(), "a")
		require.ErrorContains(t, err, "asked to wait")
		require.Equal(t, 2, o.count())
	})
}

func TestRequestedPauseReplacesALongerBackoffAndIsForgottenWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{err: errDown}
		c := cache.New(o.fetch, &cache.Options{
			Backoff: func(error, int) time.Duration { return time.Minute },
			RetryAfter: func(err error) time.Duration {
				if errors.Is(err, errThrottled) {
					return 10 * time.Second
				}
				return 0
			},
		})
		_, err := c.Get(t.Context(), "a")
		require.ErrorIs(t, err, errDown)
		o.set(0, errThrottled)
		_, err = c.Renew(t.Context(), "a", "{x}")
		require.ErrorIs(t, err, errThrottled)
		time.Sleep(12 * time.Second)
		o.set(0, errDown)
		_, err = c.Get(t.Context(), "a")
		require.Equal(t, 3, o.count(), "the requested ten seconds count, not the minute")
		require.ErrorIs(t, err, errDown)
		_, err = c.Get(t.Context(), "a")
		require.ErrorContains(t, err, "backing off")
		require.Equal(t, 3, o.count())
	})
}

func TestRequestedPauseOutlivesTheSuccessOfAnOlderFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: 2 * time.Second}
		c := cache.New(o.fetch, &cache.Options{RetryAfter: func(error) time.Duration { return time.Minute }})
		go func() { _, _ = c.Get(t.Context(), "a") }()
		synctest.Wait()
		o.set(time.Second, errThrottled)
		_, err := c.Renew(t.Context(), "a", "{x}")
		require.ErrorIs(t, err, errThrottled)
		time.Sleep(time.Second)
		require.Equal(t, "a-1", get(t, c, "a").Token)
		_, err = c.Renew(t.Context(), "a", "{y}")
		require.ErrorContains(t, err, "asked to wait")
		require.Equal(t, 2, o.count())
	})
}

func TestBackoffMayPanicOrExit(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("no") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{err: errDown}
				c := cache.New(o.fetch, &cache.Options{Backoff: func(error, int) time.Duration { fail(); return 0 }})
				_, err := c.Get(t.Context(), "a")
				require.Error(t, err)
				o.set(0, nil)
				time.Sleep(2 * time.Second)
				get(t, c, "a")
			})
		})
	}
}

func TestErrorOfAnEndedContextIncludesTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{err: errDown}
		c := cache.New(o.fetch, nil)
		_, err := c.Get(t.Context(), "a")
		require.ErrorIs(t, err, errDown)
		why := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		for _, ask := range []func() (azcore.AccessToken, error){
			func() (azcore.AccessToken, error) { return c.Get(ctx, "a") },
			func() (azcore.AccessToken, error) { return c.Renew(ctx, "a", "{}") },
		} {
			_, err = ask()
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, why)
			require.ErrorIs(t, err, errDown)
		}
	})
}

func TestErrorOfAFetchIsAboutThatFetchHoweverManyFailedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			cache.FlightOf(ctx).Report("posting", nil)
			<-release
			return azcore.AccessToken{}, errDown
		}, nil)
		for range 100 {
			_, err := c.Get(t.Context(), "a")
			require.EqualError(t, err, "the exchange was abandoned after 30s while posting: context deadline exceeded")
			time.Sleep(time.Minute)
		}
		close(release)
	})
}

func TestCallerThatGivesUpLearnsHowThePreviousFetchFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{err: errDown}
		c := cache.New(o.fetch, nil)
		_, err := c.Get(t.Context(), "a")
		require.ErrorIs(t, err, errDown)
		time.Sleep(2 * time.Second)
		o.set(10*time.Second, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Get(ctx, "a")
		require.EqualError(t, err, "context deadline exceeded; the exchange was starting; its last failure: endpoint is down")
		require.ErrorIs(t, err, errDown)
		time.Sleep(10 * time.Second)
	})
}

func TestCauseOfAnEndedContextIsOneLineWithoutAToken(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.Join(errors.New("shutting down"), errors.New("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"))
	cancel(why)
	_, err := cache.New((&origin{}).fetch, nil).Get(ctx, "a")
	require.EqualError(t, err, "context canceled (shutting down [redacted]); the exchange was not started")
	require.ErrorIs(t, err, why)
}
