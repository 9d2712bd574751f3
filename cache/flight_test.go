package cache_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
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

func TestCancelledCallerDoesNotEndTheFetch(t *testing.T) {
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

func TestFetchGetsNothingOfItsCallersContext(t *testing.T) {
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
	synctest.Test(t, func(t *testing.T) { // the bubble fails if a goroutine is left when the test returns
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
				cache.Report(ctx, "reading a file that hangs", errDown)
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
		require.Equal(t, "second", get(t, c, "a").Token, "what it brings at last is dropped")
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

func TestCallerThatGivesUpIsToldWhatTheFetchWasDoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			cache.Report(ctx, "posting", errDown)
			cache.Report(ctx, "waiting to try again", nil)
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

func TestAbandonedFetchIsToldOfOnceWithItsCallersError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		release := make(chan struct{})
		c := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
			cache.OnAbandon(ctx, func(err error) {
				told = append(told, err)
				panic("in the one that is told")
			})
			if key == "hanging" {
				<-release
			}
			return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		get(t, c, "prompt")
		_, err := c.Get(t.Context(), "hanging")
		synctest.Wait()
		require.Equal(t, []error{err}, told)
		close(release)
		synctest.Wait()
		require.Len(t, told, 1, "not again when it returns")
	})
}

func TestOnWaitIsToldOfThoseWhoWaitAndOfTheFlightThatTheyWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flights []string
		var waiting atomic.Int32
		delay, ended := 10*time.Second, make(chan string, 10)
		c := cache.New(func(ctx context.Context, _, claims string) (azcore.AccessToken, error) {
			flights = append(flights, cache.FlightOf(ctx).ID)
			time.Sleep(delay)
			return azcore.AccessToken{Token: "t" + claims, ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		c.OnWait(func(context.Context, string) func(string, error) {
			waiting.Add(1)
			return func(flight string, _ error) { ended <- flight }
		})
		go func() { _, _ = c.Get(t.Context(), "a") }() // gets the answer to the challenge from memory when its own flight lands
		synctest.Wait()
		delay = time.Second
		renew(t, c, "a", "{x}")
		time.Sleep(10 * time.Second)
		get(t, c, "a")
		synctest.Wait()
		require.Equal(t, int32(2), waiting.Load(), "who gets what is in memory does not wait")
		require.Equal(t, []string{flights[1], flights[0]}, []string{<-ended, <-ended})
	})
}

func TestPanickingOnWaitFailsNoWait(t *testing.T) {
	for _, panicsAt := range []string{"begin", "end"} {
		t.Run(panicsAt, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				o := &origin{delay: time.Second}
				c := cache.New(o.fetch, nil)
				told := func(at string) {
					if calls.Add(1); at == panicsAt {
						panic("in a tracer")
					}
				}
				c.OnWait(func(context.Context, string) func(string, error) {
					told("begin")
					return func(string, error) { told("end") }
				})
				go func() { _, _ = c.Renew(t.Context(), "a", "{x}") }()
				synctest.Wait()
				require.Equal(t, "a{x}-1", get(t, c, "a").Token, "which waits for the challenge in flight")
				require.LessOrEqual(t, calls.Load(), int32(4), "once for each caller")
			})
		})
	}
}

func TestFlightTellsWhetherAnybodyWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flights []cache.Flight
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			flights = append(flights, cache.FlightOf(ctx))
			return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		first := get(t, c, "a")
		time.Sleep(time.Until(first.RefreshOn))
		get(t, c, "a")
		synctest.Wait()
		renew(t, c, "a", "{x}")
		c.Prefetch("b")
		synctest.Wait()
		for i, background := range []bool{false, true, false, true} {
			require.Equal(t, background, flights[i].Background)
			require.NotEmpty(t, flights[i].ID)
		}
	})
}

func TestOutsideAFetchThereIsNothingToTell(t *testing.T) {
	require.Zero(t, cache.FlightOf(t.Context()))
	cache.Report(t.Context(), "testing", errDown)
	cache.OnAbandon(t.Context(), func(error) { t.Error("of no fetch") })
}
