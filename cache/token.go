package cache

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

const (
	// finalWindow is how close to its expiry a token must be before callers wait for a new one: it
	// could expire on the way to the resource.
	finalWindow = 5 * time.Second

	// maxLifetime bounds lifetimes and pauses, so that instants in nanoseconds do not overflow.
	maxLifetime = 10 * 365 * 24 * time.Hour

	// jitter is the largest part by which a refresh may be early. A fleet that starts in one
	// rollout gets its tokens within a minute. Without jitter, it would refresh them within a
	// minute for as long as it lives.
	jitter = 0.25

	// soonest is how far ahead the RefreshOn of a stale token is at least, because clients schedule
	// by it.
	soonest = time.Second
)

// instant is a reading of both clocks in nanoseconds: the wall clock, because machines sleep, and
// the monotonic clock, because clocks get set.
type instant struct{ wall, mono int64 }

// now reads the clocks.
func (c *Cache[K]) now() instant {
	now := time.Now()
	return instant{now.UnixNano(), int64(now.Sub(c.origin))}
}

// before reports whether both clocks are before limit.
func (i instant) before(limit instant) bool { return i.wall < limit.wall && i.mono < limit.mono }

func (i instant) add(d time.Duration) instant { return instant{i.wall + int64(d), i.mono + int64(d)} }

// token is a cached token. Only refused and challenged change.
type token struct {
	azcore.AccessToken         // RefreshOn is always set, and jittered
	freshUntil         instant // RefreshOn, or usableUntil if that is earlier
	usableUntil        instant // finalWindow before expiry
	expires            instant

	refused    atomic.Bool
	challenged atomic.Int64 // monotonic time of the first challenge; zero if there was none
}

// newToken returns t as a cached token. The fetch that returned t started at start and landed now.
func newToken(t azcore.AccessToken, start, now instant) *token {
	limit := time.Unix(0, now.add(maxLifetime).wall)
	if t.ExpiresOn.Before(limit) {
		limit = t.ExpiresOn
	}
	t.ExpiresOn = limit.Round(0).UTC()
	// The wall clock may have been set during the fetch. By the monotonic clock, the token expires
	// at the earlier of the two times that the wall clock implies.
	wall := t.ExpiresOn.UnixNano()
	expires := instant{wall, wall + min(start.mono-start.wall, now.mono-now.wall)}

	wait := time.Duration(expires.wall-now.wall) / 2 // halfway, which is also Entra ID's refresh_in
	if at := time.Unix(0, now.wall); t.RefreshOn.After(at) && t.RefreshOn.Before(t.ExpiresOn) {
		wait = t.RefreshOn.Sub(at)
	}
	wait -= time.Duration(rand.Float64() * jitter * float64(wait))
	refresh := now.add(wait)
	t.RefreshOn = time.Unix(0, refresh.wall).UTC()

	usable := expires.add(-finalWindow)
	fresh := instant{min(refresh.wall, usable.wall), min(refresh.mono, usable.mono)}
	return &token{AccessToken: t, freshUntil: fresh, usableUntil: usable, expires: expires}
}

// fresh reports whether Get can return the token and do nothing else.
func (t *token) fresh(now instant) bool { return now.before(t.freshUntil) && !t.refused.Load() }

// usable reports whether callers need not wait for another token.
func (t *token) usable(now instant) bool { return now.before(t.usableUntil) && !t.refused.Load() }

// valid reports whether the token has not expired.
func (t *token) valid(now instant) bool { return now.before(t.expires) }

// handOut returns t for a caller. If t is not fresh, RefreshOn is when to ask again: at least a
// second ahead, and never after the expiry.
func (e *entry[K]) handOut(t *token, now instant) azcore.AccessToken {
	out := t.AccessToken
	if !t.fresh(now) {
		next := now.wall + int64(max(soonest, e.quiet.Load().left(now)))
		if !t.refused.Load() {
			next = max(next, t.RefreshOn.UnixNano())
		}
		out.RefreshOn = time.Unix(0, min(next, t.expires.wall)).UTC()
	}
	return out
}
