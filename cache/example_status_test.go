package cache_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/cache"
)

// A status reports what the cache holds for a key, and its last failure. It holds no token.
func ExampleCache_Status() {
	tokens := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
		return azcore.AccessToken{}, errors.New("the endpoint is down")
	}, nil)
	_, err := tokens.Get(context.Background(), "vault")
	fmt.Println(err)
	for _, s := range tokens.Status() {
		fmt.Println(s.Key, "valid:", time.Now().Before(s.ExpiresOn), "last error:", s.LastError, "backing off:", time.Now().Before(s.NextAttempt))
	}
	// Output:
	// the endpoint is down
	// vault valid: false last error: the endpoint is down backing off: true
}

// OnWait reports callers that had to wait, for a trace or a metric. The flight ID is that of the
// fetch.
func ExampleOptions() {
	var fetched string
	waits := make(chan string)
	tokens := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
		fetched = cache.FlightOf(ctx).ID()
		return azcore.AccessToken{Token: key, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, &cache.Options{OnWait: func(_ context.Context, key any, result func() (string, error)) {
		flight, err := result()
		waits <- fmt.Sprint("waited for ", key, " ", flight == fetched, " ", err)
	}})
	for range 3 {
		if _, err := tokens.Get(context.Background(), "vault"); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(<-waits)
	// Output: waited for vault true <nil>
}

// A fetch can log its own ID, and whether somebody waits for it.
func ExampleFlightOf() {
	tokens := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
		flight := cache.FlightOf(ctx)
		fmt.Println(len(flight.ID()), "characters, in the background:", flight.Background())
		return azcore.AccessToken{Token: key, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, nil)
	_, err := tokens.Get(context.Background(), "vault")
	fmt.Println(err)
	// Output:
	// 36 characters, in the background: false
	// <nil>
}

// A caller that stops waiting learns what the fetch was doing and how it last failed.
func ExampleFlight_Report() {
	reported := make(chan struct{})
	tokens := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
		cache.FlightOf(ctx).Report("waiting for a reply from login.example", errors.New("HTTP 503"))
		close(reported)
		<-ctx.Done() // the fetch's own timeout, not the caller's
		return azcore.AccessToken{}, ctx.Err()
	}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-reported
		cancel()
	}()
	_, err := tokens.Get(ctx, "vault")
	fmt.Println(err)
	// Output: context canceled; the exchange was waiting for a reply from login.example; its last failure: HTTP 503
}

// The outcome is reported after the token is stored, so a report that hangs delays no caller.
func ExampleFlight_OnLanding() {
	reported, release := make(chan string), make(chan struct{})
	defer close(release)
	tokens := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
		cache.FlightOf(ctx).OnLanding(func(_ azcore.AccessToken, err error) { reported <- fmt.Sprint(key, ": ", err) })
		if key == "hanging" {
			<-release // a source that ignores its context
		}
		return azcore.AccessToken{Token: key, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, &cache.Options{Timeout: time.Millisecond})
	for _, key := range []string{"vault", "hanging"} {
		_, err := tokens.Get(context.Background(), key)
		fmt.Println(err)
		fmt.Println(<-reported)
	}
	// Output:
	// <nil>
	// vault: <nil>
	// the exchange was abandoned after 1ms while starting: context deadline exceeded
	// hanging: the exchange was abandoned after 1ms while starting: context deadline exceeded
}

// A fetch that was refused tries again later, but only while somebody waits.
func ExampleFlight_Pause() {
	attempts := make(chan string, 10)
	tokens := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
		for {
			attempts <- key
			if !cache.FlightOf(ctx).Pause(ctx, time.Millisecond) {
				return azcore.AccessToken{}, errors.New("refused")
			}
			if len(attempts) == 3 {
				return azcore.AccessToken{Token: key, ExpiresOn: time.Now().Add(time.Hour)}, nil
			}
		}
	}, nil)
	_, err := tokens.Get(context.Background(), "vault")
	fmt.Println(err, len(attempts))
	// Output: <nil> 3
}

// A fetch can be gentle to an endpoint that failed last time.
func ExampleFlight_Failures() {
	tokens := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
		if cache.FlightOf(ctx).Failures() == 0 {
			return azcore.AccessToken{}, errors.New("down")
		}
		return azcore.AccessToken{Token: key, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, &cache.Options{Backoff: func(error, int) time.Duration { return 0 }})
	for range 2 {
		_, err := tokens.Get(context.Background(), "vault")
		fmt.Println(err)
	}
	// Output:
	// down
	// <nil>
}
