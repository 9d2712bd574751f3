// Package cache keeps access tokens fresh: one exchange per key at a time, refreshed in the background before expiry,
// with a memory of failures. It knows no HTTP and no Entra ID; package credential tells it how to fetch.
//
// It is experimental until v1: applications use package credential, and this package only when they sign in to
// something else with the same needs.
//
// # What a caller sees
//
// A token is in one of three states, by the wall clock:
//
//	fresh    before RefreshOn             Get returns it
//	stale    from RefreshOn to 5 s before expiry   Get returns it, and starts one background fetch
//	expired  later, or none               Get waits for the one fetch in flight, no longer than its own context
//
// In its last five seconds a token is handed out only if the fetch fails: it would expire on the way.
//
// A fetch belongs to no caller. It starts from [context.Background], so no caller's cancellation, deadline or values
// reach it, and ends by its own timeout. A fetch that ignores its context is abandoned then and its result dropped.
// A panic or [runtime.Goexit] in it becomes an error.
//
// # Failures
//
// A failure is remembered for its key until the next attempt is due ([Options.Backoff], [Options.RetryAfter]); until
// then callers without a valid token get that failure at once. A failed background refresh changes nothing but the time
// of the next attempt.
//
// # Renewal and invalidation
//
// [Cache.Renew] answers a claims challenge: it bypasses the cache, and its token replaces the cached one.
// [Cache.Invalidate] drops one very token; [Cache.Refused] one that a resource refused, but not with a fetch for each refusal.
// Fetches are numbered, so that an older one can neither overwrite the answer to a newer challenge nor bring back what was
// invalidated.
//
// All methods are safe for concurrent use. A hit takes no lock and allocates nothing.
package cache
