package cache

import (
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// jitter is the part of the time to the refresh by which it may come early. A fleet started by one rollout gets its
// tokens in one minute and would refresh them in one minute, for as long as it lives.
const jitter = 0.25

// refreshOn tells when to refresh t, fetched now: at its RefreshOn if that lies within its life, else halfway, which is
// where Entra ID puts refresh_in when it sends one; earlier by a random part of up to a quarter of the wait.
func refreshOn(t azcore.AccessToken, now time.Time) time.Time {
	wait := t.ExpiresOn.Sub(now) / 2
	if t.RefreshOn.After(now) && t.RefreshOn.Before(t.ExpiresOn) {
		wait = t.RefreshOn.Sub(now)
	}
	wait -= time.Duration(rand.Float64() * jitter * float64(wait))
	return now.Add(wait).Round(0).UTC() // the wall clock counts: a laptop or a VM may sleep
}

const (
	firstBackoff = time.Second
	maxBackoff   = time.Minute
)

// Backoff is the default of [Options.Backoff]: 1 to 2 s after the first failure, doubling with each up to 30 to 60 s,
// drawn at random so that a fleet that failed together does not come back together.
func Backoff(failures int) time.Duration {
	base := maxBackoff / 2
	if shift := max(failures, 1) - 1; shift < 5 {
		base = firstBackoff << shift
	}
	return base + rand.N(base)
}

// maxPause bounds the pause that the other side can ask for: a mistake over there must not silence a workload for a day.
const maxPause = time.Hour

// stretch spreads a pause that a fleet was asked for together: never earlier, later by up to a fifth.
func stretch(pause time.Duration) time.Duration {
	pause = min(pause, maxPause)
	return min(pause+rand.N(pause/5+1), maxPause)
}
