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
		require.Equal(t, "a{y}-2", renew(t, c, "a", "{y}"), "another challenge")
		require.Equal(t, "b{x}-1", renew(t, c, "b", "{x}"), "another key")
		time.Sleep(time.Nanosecond)
		require.Equal(t, "a{x}-3", renew(t, c, "a", "{x}"), "later")
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
		require.Equal(t, "a{x}-2", waited, "its waiters get the newer answer, too")
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
		require.Equal(t, "a{old}-1", older, "but it answers those who asked it")
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
		require.Equal(t, 2, o.count(), "back-off does not hold a challenge back")
		_, err = c.Renew(t.Context(), "a", "{x}")
		require.ErrorIs(t, err, errDown)
		require.Equal(t, 2, o.count(), "the same challenge gets the same answer, a failure too")

		o.set(0, errThrottled)
		_, err = c.Renew(t.Context(), "a", "{y}")
		require.ErrorIs(t, err, errThrottled)
		_, err = c.Renew(t.Context(), "a", "{z}")
		require.ErrorIs(t, err, errThrottled)
		require.Equal(t, 3, o.count(), "a pause that was asked for does")
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

func TestInvalidateDropsThatVeryToken(t *testing.T) {
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
			token := "revoked" // the other side answers from a cache of its own
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
		require.Equal(t, "new", get(t, c, "a").Token, "without waiting for the older fetch")
		close(slow)
		synctest.Wait()
		require.Equal(t, "new", get(t, c, "a").Token)
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

func TestChallengeInFlightIsTheKeysNextToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{delay: time.Second}
		c := cache.New(o.fetch, nil)
		go func() { _, _ = c.Renew(t.Context(), "cold", "{x}") }()
		synctest.Wait()
		require.Equal(t, "cold{x}-1", get(t, c, "cold").Token, "a cold key waits for it")

		first := get(t, c, "stale")
		time.Sleep(time.Until(first.RefreshOn))
		go func() { _, _ = c.Renew(t.Context(), "stale", "{x}") }()
		synctest.Wait()
		require.Equal(t, first, get(t, c, "stale"), "a stale hit starts no refresh beside it")
		time.Sleep(2 * time.Second)
		require.Equal(t, "stale{x}-2", get(t, c, "stale").Token)
		require.Equal(t, 3, o.count())
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
		require.Equal(t, "a{x}-2", get(t, c, "a").Token)
		require.Equal(t, 2, o.count())
	})
}
