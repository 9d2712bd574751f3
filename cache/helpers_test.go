package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
)

var errDown = errors.New("endpoint is down")

// origin is a fetch function that a test controls. It issues tokens named KEY-1, KEY-2, …
type origin struct {
	lifetime  time.Duration // of tokens; zero means an hour
	refreshIn time.Duration // zero means none

	mu      sync.Mutex
	delay   time.Duration
	err     error
	fetches int
	calls   map[string]int // by key
}

func (o *origin) fetch(ctx context.Context, key, claims string) (azcore.AccessToken, error) {
	start := time.Now()
	o.mu.Lock()
	o.fetches++
	if o.calls == nil {
		o.calls = make(map[string]int)
	}
	o.calls[key]++
	name := fmt.Sprintf("%s%s-%d", key, claims, o.calls[key])
	delay, err := o.delay, o.err
	o.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return azcore.AccessToken{}, fmt.Errorf("waiting for a reply: %w", ctx.Err())
		}
	}
	if err != nil {
		return azcore.AccessToken{}, err
	}
	lifetime := o.lifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	t := azcore.AccessToken{Token: name, ExpiresOn: start.Add(lifetime)}
	if o.refreshIn > 0 {
		t.RefreshOn = start.Add(o.refreshIn)
	}
	return t, nil
}

func (o *origin) set(delay time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.delay, o.err = delay, err
}

func (o *origin) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fetches
}

func get(t *testing.T, c *cache.Cache[string], key string) azcore.AccessToken {
	t.Helper()
	token, err := c.Get(t.Context(), key)
	require.NoError(t, err)
	return token
}
