// Package cache keeps access tokens fresh: one fetch per key at a time, refreshed in the background before expiry, with a
// memory of failures. It knows no HTTP and no Entra ID: a function that is given to [New] fetches.
//
//	type key struct{ tenant, scope string }
//	tokens := cache.New(func(ctx context.Context, k key, claims string) (azcore.AccessToken, error) {
//		return fetchSomehow(ctx, k.tenant, k.scope, claims)
//	}, nil)
//	token, err := tokens.Get(ctx, key{"contoso.com", "https://vault.azure.net/.default"})
//
// # When not to use it
//
// It is experimental until v1. Applications use package credential, which has such a cache in it; this package is for those who sign
// in to something else with the same needs. It holds tokens in memory only, and what it holds cannot be listed, only described
// ([Cache.Status]).
//
// # What a caller sees
//
// A token is in one of three states, by the wall clock:
//
//	fresh     before RefreshOn                       Get returns it
//	stale     from RefreshOn to 5 s before expiry    Get returns it, and starts one background fetch
//	expired   later, or none                         Get waits for the one fetch in flight, no longer than its own context
//
// In its last five seconds a token is handed out only if the fetch fails: it would expire on the way.
//
// RefreshOn is what the fetch says if that is within the token's lifetime, else halfway to its expiry; up to a quarter of that time is
// taken off at random, so that a fleet that started together does not refresh together. The token that callers get has the very same
// instant in it.
//
// A fetch belongs to no caller. It starts from [context.Background], so no caller's cancellation, deadline or values
// reach it, and ends by its own timeout. A fetch that ignores its context is abandoned then and its result dropped.
// A panic or [runtime.Goexit] in it becomes an error.
//
// # Failures
//
// A failure is remembered for its key until the next attempt is due ([Options.Backoff], [Options.RetryAfter]); until
// then callers without a valid token get that failure at once. A failed background refresh changes nothing but the time
// of the next attempt. Back-off is measured on the monotonic clock.
//
// # Renewal and invalidation
//
// [Cache.Renew] answers a claims challenge: it bypasses the cache, and its token replaces the cached one.
// [Cache.Invalidate] drops one very token; [Cache.Refused] one that a resource refused, but not with a fetch for each refusal.
// Fetches are numbered, so that an older one can neither overwrite the answer to a newer challenge nor bring back what was
// invalidated.
//
// # Errors
//
// An error of Get or Renew is the fetch's, as it is or with what surrounds it (a back-off, the caller's context that ended, and what
// the fetch was doing then: [Report]). [errors.Is] and [errors.As] reach the fetch's error and the context's. A text of the fetch's own
// stands in it as it is, so the fetch must keep secrets out of its errors.
//
// # Concurrency
//
// All methods are safe for concurrent use, [Cache.OnWait] before the first use aside. A hit takes no lock and allocates nothing. The
// functions in [Options] and the fetch are called from the cache's goroutines, without a lock held.
package cache
