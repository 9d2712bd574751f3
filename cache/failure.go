package cache

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

const (
	firstBackoff = time.Second
	maxBackoff   = time.Minute

	// maxPause caps the pause that a server can request: a mistake there must not silence a
	// workload for a day.
	maxPause = time.Hour
)

// Backoff is the default of [Options.Backoff]. It returns 1 to 2 s after the first failure and
// doubles up to 30 to 60 s. The value is random within these bounds, so that a fleet that failed
// together does not come back together.
func Backoff(failures int) time.Duration {
	base := maxBackoff / 2
	if shift := max(failures, 1) - 1; shift < 5 {
		base = firstBackoff << shift
	}
	return base + rand.N(base)
}

// stretch spreads a pause that a whole fleet was asked for: it adds up to a fifth, and never
// shortens it.
func stretch(pause time.Duration) time.Duration {
	pause = min(pause, maxPause)
	return min(pause+rand.N(pause/5+1), maxPause)
}

// pause delays fetches until either clock reaches it. A back-off must not depend on how the wall
// clock is set, and a suspend must not stretch a requested pause.
type pause instant

// inFlight keeps stale hits from starting a second fetch.
var inFlight = &pause{math.MaxInt64, math.MaxInt64}

// over reports whether the pause is over. A nil pause is.
func (p *pause) over(now instant) bool { return p == nil || now.wall >= p.wall || now.mono >= p.mono }

// left returns the rest of the pause, or zero if a fetch is in flight and the next pause is still
// unknown.
func (p *pause) left(now instant) time.Duration {
	if p == inFlight || p.over(now) {
		return 0
	}
	return time.Duration(min(p.wall-now.wall, p.mono-now.mono))
}

// end returns when the pause is over, for display.
func (p *pause) end() time.Time { return time.Unix(0, p.wall).UTC() }

// failure is a remembered failure. The zero value means none.
type failure struct {
	err       error
	count     int // consecutive failures that counted
	at        time.Time
	pause     *pause
	requested bool // the server requested the pause
}

// standing returns the remembered failure while its pause lasts, and nil after that.
func (f *failure) standing(now instant) error {
	if f.err == nil || f.pause.over(now) {
		return nil
	}
	why := fmt.Sprintf("failure %d, backing off", f.count)
	if f.requested {
		why = "asked to wait"
	}
	return unfinished(fmt.Sprintf("%s: next attempt at %s", why, f.pause.end().Format("2006-01-02 15:04:05.0Z")), f.err)
}

// lastResort returns a token that has not expired, for a caller that cannot get a better one.
// Without such a token it returns err.
func (e *entry[K]) lastResort(now instant, err error) (azcore.AccessToken, error) {
	if t := e.token.Load(); t != nil && t.valid(now) {
		return e.handOut(t, now), nil
	}
	return azcore.AccessToken{}, err
}
