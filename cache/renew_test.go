package cache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

func renew(t *testing.T, c *cache.Cache[string], key, claims string) string {
	t.Helper()
	token, err := c.Renew(t.Context(), key, claims)
	require.NoError(t, err)
	return token.Token
}

func TestRenewedTokenReplacesTheCachedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		require.Equal(t, "a-1", get(t, c, "a").Token)
		require.Equal(t, "a{x}-2", renew(t, c, "a", "{x}"))
		require.Equal(t, "a{x}-2", get(t, c, "a").Token)
	})
}

func TestSameChallengeIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: time.Second}
		c := cache.New(o.fetch, nil)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if token, err := c.Renew(t.Context(), "a", "{x}"); err != nil || token.Token != "a{x}-1" {
					t.Errorf("got %q, %v", token.Token, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(5*time.Second - time.Nanosecond)
		require.Equal(t, "a{x}-1", renew(t, c, "a", "{x}"), "within five seconds of the answer")
		time.Sleep(time.Nanosecond)
		require.Equal(t, "a{x}-2", renew(t, c, "a", "{x}"), "later")
		require.Equal(t, "a{y}-3", renew(t, c, "a", "{y}"), "another challenge")
		require.Equal(t, "b{x}-1", renew(t, c, "b", "{x}"), "another key")
	})
}

func TestOlderFetchNeverOverwritesTheAnswerToAChallenge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: 10 * time.Second}
		c := cache.New(o.fetch, nil)
		var waited string
		go func() { waited = get(t, c, "a").Token }() // lands after the challenge is answered
		synctest.Wait()
		o.set(time.Second, nil)
		require.Equal(t, "a{x}-2", renew(t, c, "a", "{x}"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, "a{x}-2", get(t, c, "a").Token)
		require.Equal(t, "a{x}-2", waited, "its waiters also get the newer answer")
	})
}

func TestOlderChallengeNeverOverwritesANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: 10 * time.Second}
		c := cache.New(o.fetch, nil)
		var older string
		go func() { older = renew(t, c, "a", "{old}") }()
		synctest.Wait()
		o.set(time.Second, nil)
		renew(t, c, "a", "{new}")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, "a{new}-2", get(t, c, "a").Token)
		require.Equal(t, "a{old}-1", older, "its own caller still gets its answer")
	})
}

func TestChallengeHeedsRetryAfterButNotBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{err: errDown}
		c := cache.New(o.fetch, &cache.Options{RetryAfter: func(err error) time.Duration {
			if errors.Is(err, errThrottled) {
				return time.Minute
			}
			return 0
		}})
		_, err := c.Get(t.Context(), "a")
		require.ErrorIs(t, err, errDown)
		_, err = c.Renew(t.Context(), "a", "{x}")
		require.ErrorIs(t, err, errDown)
		require.Equal(t, 2, o.count(), "back-off does not delay a challenge")
		_, err = c.Renew(t.Context(), "a", "{x}")
		require.ErrorIs(t, err, errDown)
		require.Equal(t, 2, o.count(), "the same challenge gets the same answer, even a failure")

		o.set(0, errThrottled)
		_, err = c.Renew(t.Context(), "a", "{y}")
		require.ErrorIs(t, err, errThrottled)
		_, err = c.Renew(t.Context(), "a", "{z}")
		require.ErrorIs(t, err, errThrottled)
		require.Equal(t, 3, o.count(), "a requested pause does")
	})
}

func TestFailedChallengeLeavesTheCachedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		get(t, c, "a")
		o.set(0, errDown)
		_, err := c.Renew(t.Context(), "a", "{x}")
		require.ErrorIs(t, err, errDown)
		require.Equal(t, "a-1", get(t, c, "a").Token)
	})
}

func TestInvalidateDropsOnlyThatToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		get(t, c, "a")
		get(t, c, "b")
		c.Invalidate("a-1")
		require.Equal(t, "a-2", get(t, c, "a").Token)
		require.Equal(t, "b-1", get(t, c, "b").Token)
		c.Invalidate("a-1")
		require.Equal(t, "a-2", get(t, c, "a").Token, "a newer token stays")
	})
}

func TestInvalidateForgetsTheAnswerToAChallenge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		token := renew(t, c, "a", "{x}")
		c.Invalidate(token)
		require.Equal(t, "a{x}-2", renew(t, c, "a", "{x}"))
	})
}

func TestOlderFetchNeverBringsBackWhatWasInvalidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, slow := 0, make(chan struct{})
		c := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
			calls++
			token := "revoked" // the server answers from its own cache
			if calls > 2 {
				token = "new"
			}
			if calls == 2 {
				<-slow
			}
			return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		first := get(t, c, "a")
		time.Sleep(time.Until(first.RefreshOn))
		get(t, c, "a") // starts the background refresh
		synctest.Wait()
		c.Invalidate("revoked")
		require.Equal(t, "new", get(t, c, "a").Token, "does not wait for the older fetch")
		close(slow)
		synctest.Wait()
		require.Equal(t, "new", get(t, c, "a").Token)
	})
}

func TestChallengeInFlightNeverBringsBackWhatWasInvalidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		c := cache.New(func(_ context.Context, _, claims string) (azcore.AccessToken, error) {
			fetches++
			if claims != "" {
				time.Sleep(time.Second)
			}
			// From the server's own cache.
			return azcore.AccessToken{Token: "revoked", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		get(t, c, "a")
		go func() { _, _ = c.Renew(t.Context(), "a", "{x}") }()
		synctest.Wait()
		c.Invalidate("revoked")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, c.Status()[0].ExpiresOn, "that request was sent before the invalidation")
		renew(t, c, "a", "{y}")
		require.NotZero(t, c.Status()[0].ExpiresOn, "the same token in reply to a later request is good")
		require.Equal(t, 3, fetches)
	})
}

func TestRenewNeverReturnsAnExpiredToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{lifetime: 2 * time.Second}
		c := cache.New(o.fetch, nil)
		renew(t, c, "a", "{x}")
		time.Sleep(3 * time.Second)
		require.Equal(t, "a{x}-2", renew(t, c, "a", "{x}"))
	})
}

func TestGetDoesNotWaitForAChallenge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(func(ctx context.Context, key, claims string) (azcore.AccessToken, error) {
			if claims != "" {
				<-ctx.Done()
				return azcore.AccessToken{}, ctx.Err()
			}
			return azcore.AccessToken{Token: "plain", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		go func() { _, _ = c.Renew(t.Context(), "a", "{x}") }()
		synctest.Wait()
		start := time.Now()
		require.Equal(t, "plain", get(t, c, "a").Token)
		require.Zero(t, time.Since(start))
		time.Sleep(time.Minute)
	})
}

func TestFailedChallengeIsNotTheKeysFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(func(_ context.Context, _, claims string) (azcore.AccessToken, error) {
			time.Sleep(time.Second)
			if claims != "" {
				return azcore.AccessToken{}, errDown
			}
			return azcore.AccessToken{Token: "plain", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}, nil)
		go func() { _, _ = c.Renew(t.Context(), "a", "{x}") }()
		synctest.Wait()
		require.Equal(t, "plain", get(t, c, "a").Token)
	})
}

func TestInvalidatingTheOldTokenKeepsTheAnswerToAChallenge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		old := get(t, c, "a").Token
		o.set(time.Second, nil)
		go func() { _, _ = c.Renew(t.Context(), "a", "{x}") }()
		synctest.Wait()
		c.Invalidate(old)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "a{x}-2", get(t, c, "a").Token)
		require.Equal(t, 2, o.count())
	})
}

// refusing gets a token every interval and reports each one as refused. It returns how many fetches
// that caused.
func refusing(t *testing.T, c *cache.Cache[string], o *origin, requests int, interval time.Duration) int {
	before := o.count()
	for range requests {
		c.Refused(get(t, c, "a").Token)
		time.Sleep(interval)
	}
	return o.count() - before
}

func TestResourceThatRefusesEveryTokenDoesNotCauseAFetchForEach(t *testing.T) {
	for _, row := range []struct {
		name          string
		requests      int
		interval      time.Duration
		fewest, fewer int
	}{
		{"at one instant", 1000, 0, 2, 3},
		{"in the first seconds", 8, time.Second, 3, 5},
		{"an hour, many a second", 36_000, 100 * time.Millisecond, 5 + 60, 5 + 120},
		{"an hour, one in ten seconds", 360, 10 * time.Second, 5 + 60, 5 + 120},
		{"a day, one in a minute", 24 * 60, time.Minute, 24*60 - 1, 24*60 + 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{lifetime: 48 * time.Hour}
				fetches := refusing(t, cache.New(o.fetch, nil), o, row.requests, row.interval)
				require.GreaterOrEqual(t, fetches, row.fewest)
				require.Less(t, fetches, row.fewer)
			})
		})
	}
}

func TestRefusedTokenIsDroppedAtOnceUnlessItReplacesARefusedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		get(t, c, "b")
		c.Refused(get(t, c, "a").Token)
		second := get(t, c, "a").Token
		require.Equal(t, "a-2", second)
		for range 20 {
			c.Refused("a-1") // reports of earlier requests
		}
		c.Refused(second)
		require.Equal(t, second, get(t, c, "a").Token, "the resource may be refusing every token")
		c.Refused("b-1")
		require.Equal(t, "b-2", get(t, c, "b").Token, "first refusal for this key")

		c.Invalidate(second)
		require.Equal(t, "a-3", get(t, c, "a").Token, "Invalidate needs no pause")
		time.Sleep(2 * time.Second)
		c.Refused("a-3")
		require.Equal(t, "a-4", get(t, c, "a").Token, "after the pause")
	})
}

func TestPauseAfterARefusalStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := cache.New(o.fetch, nil)
		refusing(t, c, o, 600, time.Second)
		time.Sleep(2 * time.Minute)
		get(t, c, "a")
		require.Equal(t, 2, refusing(t, c, o, 3, 2*time.Second), "the pause is 1 to 2 s again")
	})
}
