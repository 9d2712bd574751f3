package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

// script is a fetch function with a scripted result for each challenge, by its claims, and for each
// plain fetch, by its order.
type script struct {
	plain  []func(context.Context) (azcore.AccessToken, error)
	claims map[string]func(context.Context) (azcore.AccessToken, error)
	count  atomic.Int32 // of plain fetches
}

func (s *script) fetch(ctx context.Context, _, claims string) (azcore.AccessToken, error) {
	if claims != "" {
		return s.claims[claims](ctx)
	}
	return s.plain[min(int(s.count.Add(1)), len(s.plain))-1](ctx)
}

// brings returns a fetch that returns a token after a while.
func brings(token string, after, lifetime time.Duration) func(context.Context) (azcore.AccessToken, error) {
	return func(context.Context) (azcore.AccessToken, error) {
		time.Sleep(after)
		return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(lifetime)}, nil
	}
}

func fails(err error, after time.Duration) func(context.Context) (azcore.AccessToken, error) {
	return func(context.Context) (azcore.AccessToken, error) {
		time.Sleep(after)
		return azcore.AccessToken{}, err
	}
}

func hangs(ctx context.Context) (azcore.AccessToken, error) {
	<-ctx.Done()
	return azcore.AccessToken{}, ctx.Err()
}

// member is a key of a group.
type member struct{ group, name string }

func (m member) Group() any { return m.group }

type plainFetches = []func(context.Context) (azcore.AccessToken, error)
type challenges = map[string]func(context.Context) (azcore.AccessToken, error)

// result is a caller's result, and when it came.
type result struct {
	token string
	err   error
	after time.Duration
}

// asks calls Get and sends the result.
func asks(t *testing.T, c *cache.Cache[string]) <-chan result {
	results, start := make(chan result, 1), time.Now()
	go func() {
		token, err := c.Get(t.Context(), "a")
		results <- result{token.Token, err, time.Since(start)}
	}()
	synctest.Wait()
	return results
}

func TestWaiterGetsTheTokenThatAnotherFetchBringsAtOnce(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, *cache.Cache[string]){
		"a challenge is answered": func(t *testing.T, c *cache.Cache[string]) { renew(t, c, "a", "{x}") },
		"the token is invalidated, and the next caller's fetch succeeds": func(t *testing.T, c *cache.Cache[string]) {
			c.Invalidate("old")
			get(t, c, "a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{
					plain:  plainFetches{brings("old", 0, time.Hour), hangs, brings("new", time.Second, time.Hour)},
					claims: challenges{"{x}": brings("new", time.Second, time.Hour)},
				}
				c := cache.New(s.fetch, nil)
				get(t, c, "a")
				// In its final seconds, callers wait for the refresh, which hangs.
				time.Sleep(time.Hour - 4*time.Second)
				waiter := asks(t, c)
				meanwhile(t, c)
				require.Equal(t, result{"new", nil, time.Second}, <-waiter)
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestFailingChallengesDoNotStarveGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{plain: plainFetches{brings("plain", time.Second, time.Hour)}, claims: challenges{}}
		c := cache.New(s.fetch, nil)
		for i := range 20 {
			s.claims[fmt.Sprint(i)] = fails(errDown, 10*time.Second)
		}
		for claims := range s.claims { // one starts each second
			i, _ := strconv.Atoi(claims)
			time.AfterFunc(time.Duration(i)*time.Second, func() { _, _ = c.Renew(context.Background(), "a", claims) })
		}
		time.Sleep(5 * time.Second)
		require.Equal(t, result{"plain", nil, time.Second}, <-asks(t, c))
		time.Sleep(time.Minute)
	})
}

func TestWaiterKeepsWaitingWhenAFetchThatNoLongerCountsFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{plain: plainFetches{brings("old", 0, time.Hour), fails(errDown, 2*time.Second), brings("new", 5*time.Second, time.Hour)}}
		c := cache.New(s.fetch, nil)
		get(t, c, "a")
		time.Sleep(time.Hour - 4*time.Second)
		waiter := asks(t, c)
		c.Invalidate("old") // the second fetch no longer counts; the waiter starts the third
		require.Equal(t, result{"new", nil, 5 * time.Second}, <-waiter)
	})
}

// A failure can be forgotten before its waiters run again.
func TestWaiterWhoseFailureIsForgottenGetsATokenOrAnError(t *testing.T) {
	fetch := func(context.Context, member, string) (azcore.AccessToken, error) {
		time.Sleep(time.Second)
		return azcore.AccessToken{}, errDown
	}
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(fetch, nil)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				_, err := c.Get(t.Context(), member{"ann", "a"})
				c.Forget("ann")
				assert.ErrorIs(t, err, errDown)
			})
		}
		all.Wait()
	})
}

func TestRefreshThatAChallengeOvertookHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{
			plain:  plainFetches{brings("old", 0, time.Hour), hangs, brings("new", time.Second, time.Hour)},
			claims: challenges{"{x}": brings("short", 0, 6*time.Second)},
		}
		c := cache.New(s.fetch, nil)
		first := get(t, c, "a")
		time.Sleep(time.Until(first.RefreshOn))
		get(t, c, "a") // starts the refresh that hangs
		renew(t, c, "a", "{x}")
		time.Sleep(6 * time.Second)
		require.Equal(t, result{"new", nil, time.Second}, <-asks(t, c))
		time.Sleep(time.Minute)
	})
}

// A report or a wait's trace may hang forever. The token must not depend on it.
func TestObserverThatHangsWithholdsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			cache.FlightOf(ctx).OnLanding(func(azcore.AccessToken, error) { <-release })
			return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, &cache.Options{OnWait: func(context.Context, any, func() (string, error)) { <-release }})
		require.Equal(t, result{"t", nil, 0}, <-asks(t, c))
		renew(t, c, "a", "{x}")
		close(release)
	})
}

func TestRefusedTokenIsLikeOneInItsFinalSeconds(t *testing.T) {
	for name, row := range map[string]struct {
		next func(context.Context) (azcore.AccessToken, error)
		want result
	}{
		"callers wait for a new one":        {brings("new", time.Second, time.Hour), result{"new", nil, time.Second}},
		"but get the old one if that fails": {fails(errDown, time.Second), result{"old", nil, time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cache.New((&script{plain: plainFetches{brings("old", 0, time.Hour), row.next}}).fetch, nil)
				get(t, c, "a")
				c.Refused("old")
				require.Equal(t, row.want, <-asks(t, c))
				require.Equal(t, row.want.token, (<-asks(t, c)).token, "also while the failure is remembered")
			})
		})
	}
}

func TestInvalidatedTokenIsGoneForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New((&script{plain: plainFetches{brings("old", 0, time.Hour), fails(errDown, 0)}}).fetch, nil)
		get(t, c, "a")
		c.Invalidate("old")
		require.Equal(t, result{"", errDown, 0}, <-asks(t, c))
	})
}

// No fetch in flight brings an invalidated token back, whatever it is for.
func TestNothingInFlightRestoresAnInvalidatedToken(t *testing.T) {
	// Entra ID may return the same token twice, from a cache of its own.
	const revoked = "revoked"
	for name, row := range map[string]struct {
		plain  map[string]plainFetches
		claims challenges
		run    func(t *testing.T, c *cache.Cache[string])
		gone   string
	}{
		"another key's fetch": {
			plain: map[string]plainFetches{"a": {brings(revoked, 0, time.Hour)}, "b": {brings(revoked, time.Second, time.Hour)}},
			run: func(t *testing.T, c *cache.Cache[string]) {
				get(t, c, "a")
				c.Prefetch("b")
				synctest.Wait()
				c.Invalidate(revoked)
			},
			gone: "b",
		},
		"a fetch under way when the token is invalidated again": {
			plain: map[string]plainFetches{"a": {brings(revoked, 0, time.Hour), brings(revoked, time.Second, time.Hour)}},
			run: func(t *testing.T, c *cache.Cache[string]) {
				get(t, c, "a")
				c.Invalidate(revoked)
				c.Prefetch("a")
				synctest.Wait()
				c.Invalidate(revoked)
			},
			gone: "a",
		},
		"a challenge that started before two tokens were invalidated": {
			plain:  map[string]plainFetches{"a": {brings(revoked, 0, time.Hour), brings("second", 0, time.Hour)}},
			claims: challenges{"{x}": brings(revoked, 5*time.Second, time.Hour)},
			run: func(t *testing.T, c *cache.Cache[string]) {
				get(t, c, "a")
				go func() { _, _ = c.Renew(t.Context(), "a", "{x}") }()
				synctest.Wait()
				c.Invalidate(revoked)
				get(t, c, "a")
				c.Invalidate("second")
			},
			gone: "a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				scripts := map[string]*script{}
				for key, plain := range row.plain {
					scripts[key] = &script{plain: plain, claims: row.claims}
				}
				c := cache.New(func(ctx context.Context, key, claims string) (azcore.AccessToken, error) {
					return scripts[key].fetch(ctx, key, claims)
				}, nil)
				row.run(t, c)
				time.Sleep(10 * time.Second)
				_, ok := c.Cached(row.gone)
				require.False(t, ok)
			})
		})
	}
}

func TestInvalidatedAnswerIsNotSharedHoweverLateItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := cache.New(func(_ context.Context, _, claims string) (azcore.AccessToken, error) {
			if calls++; calls == 2 {
				time.Sleep(7 * time.Second)
			}
			return azcore.AccessToken{Token: "revoked", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		get(t, c, "a")
		c.Invalidate("revoked")
		time.Sleep(29 * time.Second)
		go func() { _, _ = c.Renew(t.Context(), "a", "{x}") }()
		time.Sleep(time.Second)
		c.Invalidate("revoked")
		time.Sleep(7 * time.Second) // the first invalidation would be forgotten by now
		renew(t, c, "a", "{x}")
		require.Equal(t, 3, calls)
	})
}

// Forget also drops the failure of a fetch in flight, even one that asks for a pause.
func TestForgottenGroupIsNotPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(func(context.Context, member, string) (azcore.AccessToken, error) {
			time.Sleep(time.Second)
			return azcore.AccessToken{}, errThrottled
		}, &cache.Options{RetryAfter: func(error) time.Duration { return time.Hour }})
		c.Prefetch(member{"ann", "a"})
		synctest.Wait()
		c.Forget("ann")
		time.Sleep(2 * time.Second)
		require.Empty(t, c.Status())
	})
}

// A waiter may wake only after its key was forgotten and got a new token.
func TestLateWaiterGetsTheKeysNewToken(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that it usually does run late
	var fetches atomic.Int32
	var c *cache.Cache[member]
	ann, release := member{"ann", "a"}, make(chan struct{})
	c = cache.New(func(ctx context.Context, _ member, _ string) (azcore.AccessToken, error) {
		switch fetches.Add(1) {
		case 1:
			<-release
			cache.FlightOf(ctx).OnLanding(func(azcore.AccessToken, error) { c.Prefetch(ann) })
			c.Forget("ann")
			return azcore.AccessToken{}, errDown
		case 2:
			return azcore.AccessToken{Token: "new", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}
		<-ctx.Done()
		return azcore.AccessToken{}, ctx.Err()
	}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waiter := make(chan result, 1)
	go func() {
		token, err := c.Get(ctx, ann)
		waiter <- result{token.Token, err, 0}
	}()
	for fetches.Load() == 0 {
		runtime.Gosched()
	}
	close(release)
	require.Equal(t, result{"new", nil, 0}, <-waiter)
	require.EqualValues(t, 2, fetches.Load())
}

func TestAnswersAreForgottenOnTheirOwn(t *testing.T) {
	// Few and large, so that neither the runtime's own memory nor the race detector's counts.
	const answers, size = 64, 1 << 20
	large := func(i int) string { return fmt.Sprint(i) + strings.Repeat("x", size) }
	synctest.Test(t, func(t *testing.T) {
		held := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC() // what has finalizers or cleanups goes in the second
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		fetched := 0
		c := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
			fetched++
			return azcore.AccessToken{Token: large(fetched), ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		renew(t, c, "a", "first")
		before := held()
		for i := range answers {
			renew(t, c, "a", large(i))
		}
		require.Greater(t, held()-before, int64(answers*size), "each answer is remembered")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Less(t, held()-before, int64(answers*size/4), "five seconds later")
		require.Len(t, c.Status(), 1)
	})
}

func TestLongestPauseStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, long := errors.New("wait 10 s"), errors.New("wait 10 min")
		s := &script{
			plain:  plainFetches{brings("old", 0, time.Hour), fails(short, 2*time.Second)},
			claims: challenges{"{x}": fails(long, time.Second)},
		}
		c := cache.New(s.fetch, &cache.Options{RetryAfter: func(err error) time.Duration {
			switch {
			case errors.Is(err, short):
				return 10 * time.Second
			case errors.Is(err, long):
				return 10 * time.Minute
			}
			return 0
		}})
		get(t, c, "a")
		time.Sleep(time.Hour)
		waiter := asks(t, c) // its fetch is older than the challenge, and fails later
		_, err := c.Renew(t.Context(), "a", "{x}")
		require.ErrorIs(t, err, long)
		require.ErrorIs(t, (<-waiter).err, short)
		time.Sleep(9 * time.Minute)
		_, err = c.Get(t.Context(), "a")
		require.ErrorContains(t, err, "asked to wait")
		require.EqualValues(t, 2, s.count.Load())
	})
}

func TestHugePauseIsClampedNotForgotten(t *testing.T) {
	for _, huge := range []time.Duration{1<<63 - 1, 200 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			o := &origin{err: errDown}
			c := cache.New(o.fetch, &cache.Options{Backoff: func(error, int) time.Duration { return huge }})
			_, err := c.Get(t.Context(), "a")
			require.ErrorIs(t, err, errDown)
			time.Sleep(365 * 24 * time.Hour)
			_, err = c.Get(t.Context(), "a")
			require.ErrorContains(t, err, "backing off")
			require.Equal(t, 1, o.count())
		})
	}
}

// Clients schedule by RefreshOn. A RefreshOn in the past would make them ask in a tight loop.
func TestStaleTokenSaysWhenAskingAgainMakesSense(t *testing.T) {
	for name, row := range map[string]struct {
		err  error // of the refresh
		took time.Duration
		want func(t *testing.T, ahead time.Duration)
	}{
		"while the refresh is in flight": {nil, time.Minute, func(t *testing.T, ahead time.Duration) { require.Equal(t, time.Second, ahead) }},
		"after it has failed": {errDown, 0, func(t *testing.T, ahead time.Duration) {
			require.GreaterOrEqual(t, ahead, time.Second)
			require.Less(t, ahead, 2*time.Second)
		}},
		"after it was asked to wait": {errThrottled, 0, func(t *testing.T, ahead time.Duration) {
			require.GreaterOrEqual(t, ahead, 10*time.Minute)
			require.LessOrEqual(t, ahead, 12*time.Minute)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{}
				c := cache.New(o.fetch, &cache.Options{RetryAfter: func(err error) time.Duration {
					if errors.Is(err, errThrottled) {
						return 10 * time.Minute
					}
					return 0
				}})
				first := get(t, c, "a")
				time.Sleep(time.Until(first.RefreshOn))
				o.set(row.took, row.err)
				get(t, c, "a")
				synctest.Wait()
				row.want(t, time.Until(get(t, c, "a").RefreshOn))
				time.Sleep(time.Until(first.ExpiresOn) - 6*time.Second)
				require.False(t, get(t, c, "a").RefreshOn.After(first.ExpiresOn) && o.err != nil, "never past its expiry")
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestClientThatSchedulesByRefreshOnAsksNoMoreThanOnceASecond(t *testing.T) {
	for name, down := range map[string]bool{"while the exchange takes 400 ms": false, "while the endpoint is down": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{}
				c := cache.New(o.fetch, nil)
				first := get(t, c, "a")
				time.Sleep(time.Until(first.RefreshOn))
				o.set(400*time.Millisecond, nil)
				if down {
					o.set(0, errDown)
				}
				calls := 0
				for end := time.Now().Add(4500 * time.Millisecond); time.Now().Before(end); calls++ {
					time.Sleep(min(time.Until(get(t, c, "a").RefreshOn), time.Until(end)))
				}
				require.LessOrEqual(t, calls, 5)
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestTokenIsValidOnlyWhileBothClocksSaySo(t *testing.T) {
	boot := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	start, landing := cache.At(boot, 0), cache.At(boot.Add(time.Second), time.Second)
	valid := cache.ValidAt(boot.Add(time.Hour), start, landing)
	require.True(t, valid(cache.At(boot.Add(59*time.Minute), 59*time.Minute)))
	require.False(t, valid(cache.At(boot.Add(time.Hour), time.Hour)))
	require.True(t, valid(cache.At(boot.Add(-time.Hour), 59*time.Minute)), "the wall clock was set back by two hours")
	require.False(t, valid(cache.At(boot.Add(-time.Hour), time.Hour)), "the wall clock was set back, and the token has expired")
	require.False(t, valid(cache.At(boot.Add(time.Hour), time.Minute)), "the machine slept")

	for name, step := range map[string]time.Duration{"back": -time.Hour, "ahead": time.Hour} {
		// The clock is set during the fetch, and the expiry is by the clock before or after that.
		for _, expiresOn := range []time.Time{boot.Add(time.Hour), boot.Add(step + time.Hour)} {
			landing := cache.At(boot.Add(step+time.Second), time.Second)
			valid := cache.ValidAt(expiresOn, start, landing)
			require.False(t, valid(cache.At(boot.Add(step+time.Hour), time.Hour)), "set %s during the fetch", name)
		}
	}
}

func TestPauseIsOverByEitherClock(t *testing.T) {
	boot := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	over := cache.PauseOver(cache.At(boot, 0), 10*time.Minute)
	require.False(t, over(cache.At(boot.Add(9*time.Minute), 9*time.Minute)))
	require.True(t, over(cache.At(boot.Add(time.Hour), time.Minute)), "a suspend does not stretch it")
	require.True(t, over(cache.At(boot.Add(-time.Hour), 10*time.Minute)), "nor does setting the clock back")
}
