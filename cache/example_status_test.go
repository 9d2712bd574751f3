package cache_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/cache"
)

// A status tells what is held, and what went wrong last. It holds no token.
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

// Those who had to wait are told apart from hits, for a trace or a metric. FlightOf gives the fetch the same ID.
func ExampleCache_OnWait() {
	var fetched string
	tokens := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
		fetched = cache.FlightOf(ctx).ID
		return azcore.AccessToken{Token: key, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, nil)
	tokens.OnWait(func(_ context.Context, key string) func(string, error) {
		return func(flight string, err error) { fmt.Println("waited for", key, flight == fetched, err) }
	})
	for range 3 {
		if _, err := tokens.Get(context.Background(), "vault"); err != nil {
			fmt.Println(err)
		}
	}
	// Output: waited for vault true <nil>
}

// A fetch logs its own ID, and whether anybody waits for it.
func ExampleFlightOf() {
	tokens := cache.New(func(ctx context.Context, key, _ string) (azcore.AccessToken, error) {
		flight := cache.FlightOf(ctx)
		fmt.Println(len(flight.ID), "characters, in the background:", flight.Background)
		return azcore.AccessToken{Token: key, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, nil)
	_, err := tokens.Get(context.Background(), "vault")
	fmt.Println(err)
	// Output:
	// 36 characters, in the background: false
	// <nil>
}

// Whoever stops waiting is told what the fetch was doing, and how it failed before.
func ExampleReport() {
	reported := make(chan struct{})
	tokens := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
		cache.Report(ctx, "waiting for a reply from login.example", errors.New("HTTP 503"))
		close(reported)
		<-ctx.Done() // its own end, not the caller's
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

// A fetch that ignores the end of its context is abandoned, and told so if it asked.
func ExampleOnAbandon() {
	told, release := make(chan error), make(chan struct{})
	defer close(release)
	tokens := cache.New(func(ctx context.Context, _, _ string) (azcore.AccessToken, error) {
		cache.OnAbandon(ctx, func(err error) { told <- err })
		<-release // a source that hangs
		return azcore.AccessToken{}, ctx.Err()
	}, &cache.Options{Timeout: time.Millisecond})
	_, err := tokens.Get(context.Background(), "vault")
	fmt.Println(err)
	fmt.Println(<-told)
	// Output:
	// the exchange was abandoned after 1ms while starting: context deadline exceeded
	// the exchange was abandoned after 1ms while starting: context deadline exceeded
}
