// Package cache keeps access tokens fresh. It runs one fetch per key at a time, refreshes in the
// background before expiry, and remembers failures. It knows nothing of HTTP or Entra ID: the
// function passed to [New] does the fetching.
//
//	type key struct{ tenant, scope string }
//	fetch := func(ctx context.Context, k key, claims string) (azcore.AccessToken, error) {
//		return fetchSomehow(ctx, k.tenant, k.scope, claims)
//	}
//	tokens := cache.New(fetch, nil)
//	token, err := tokens.Get(ctx, key{"contoso.com", "https://vault.azure.net/.default"})
//
// # When not to use it
//
// The package is experimental until v1. Applications use package credential, which is built on it.
// Use this package to sign in to something else with the same needs. It holds tokens in memory
// only. Tokens cannot be listed, only described ([Cache.Status]).
//
// # What a caller sees
//
// A token is in one of four states:
//
//	fresh     until RefreshOn                 Get returns it
//	stale     until 5 s before it expires     Get returns it, and one fetch runs in the background
//	final     until it expires, or once a     Get waits for a new one, and returns this one only if
//	          resource refused it             that fails
//	expired   or missing                      Get waits for a new one
//
// [Cache.Refused] records a refusal.
//
// A token counts as valid only while it is unexpired on both clocks: the wall clock, because
// machines sleep, and the monotonic clock, because clocks get set.
//
// RefreshOn is what the fetch returned, if that is within the token's lifetime, or else halfway to
// its expiry. Jitter makes it up to a quarter earlier, so that a fleet that started together does
// not refresh together. For a stale token, Get returns a later RefreshOn: the time of the next
// attempt, at least a second ahead.
//
// A caller waits for the key, not for a fetch. It returns when the key holds a token worth
// returning, whichever fetch brought it; when a fetch that counts has failed since the wait began;
// or when its own context ends. A fetch stops counting when its key's token is invalidated or a
// challenge is answered.
//
// A fetch belongs to no caller. It starts from [context.Background], so no caller's cancellation,
// deadline or values reach it, and it ends at its own timeout. A fetch that ignores its context is
// then abandoned, and its result dropped. A panic or [runtime.Goexit] in a fetch becomes an error.
//
// # Failures
//
// A failure is remembered for its key until the next attempt is due ([Options.Backoff],
// [Options.RetryAfter]). Until then, callers without a valid token get that failure at once. A
// failed background refresh only changes the time of the next attempt.
//
// # Challenges, invalidation, refusals
//
// [Cache.Renew] answers a claims challenge: it bypasses the cache, and its token replaces the
// cached one. Get never waits for a challenge. [Cache.Invalidate] drops one token. [Cache.Refused]
// makes callers wait for another token, without a fetch for each refusal. An older fetch can
// neither overwrite the answer to a newer challenge nor bring back an invalidated token.
//
// # Observers
//
// [Options.OnWait] runs when a wait starts, and the function of [Flight.OnLanding] after the token
// is stored, each on a goroutine that nobody waits for. One that blocks or panics only delays or
// loses its own event.
//
// # Errors
//
// An error of Get or Renew is the fetch's error, sometimes with context: a back-off, the caller's
// ended context, or what the fetch was doing at that time ([Flight.Report]). [errors.Is] and
// [errors.As] find the fetch's error and the context's. The fetch's text is repeated verbatim, so
// fetches must keep secrets out of their errors.
//
// # Concurrency
//
// All methods are safe for concurrent use. A hit takes no lock and allocates nothing. Only Status
// walks all keys, and it holds no lock while it does.
package cache
