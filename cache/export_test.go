package cache

import (
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// Instant is a reading of both clocks. Outside this package, a test cannot set them apart.
type Instant = instant

// At returns the instant at which the wall clock reads wall and the monotonic clock reads mono.
func At(wall time.Time, mono time.Duration) Instant { return instant{wall.UnixNano(), int64(mono)} }

// ValidAt returns a function that reports whether a token is valid. The fetch that returned the
// token started at start and ended at landing.
func ValidAt(expiresOn time.Time, start, landing Instant) func(Instant) bool {
	return newToken(azcore.AccessToken{ExpiresOn: expiresOn}, start, landing).valid
}

// PauseOver returns a function that reports whether a pause of d that began at start is over.
func PauseOver(start Instant, d time.Duration) func(Instant) bool {
	end := pause(start.add(d))
	return end.over
}
