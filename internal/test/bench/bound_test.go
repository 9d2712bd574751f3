package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/cache"
)

// full returns a cache at its bound of 131,072 keys, each with its own token.
var full = sync.OnceValue(func() *cache.Cache[int] {
	fetches := 0 // one after another
	c := cache.New(func(_ context.Context, key int, _ string) (azcore.AccessToken, error) {
		fetches++
		return azcore.AccessToken{Token: strconv.Itoa(fetches), ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, nil)
	for key := range cache.DefaultMaxTokens {
		if _, err := c.Get(context.Background(), key); err != nil {
			panic(err)
		}
	}
	return c
})

// atTheBound measures one operation on a full cache: its usual and its longest duration.
func atTheBound(title string, operate func(c *cache.Cache[int], i int)) situation {
	const times = 200
	return situation{
		title: title + ", 131,072 keys held", goal: "no cliff",
		run: func(t *testing.T, c candidate) outcome {
			if c.name != ours.name {
				return outcome{text: "—"}
			}
			held := full()
			for key := range cache.DefaultMaxTokens {
				_, _ = held.Get(context.Background(), key) // a hit, mostly
			}
			var costs []time.Duration
			for i := range times {
				start := time.Now()
				operate(held, i)
				costs = append(costs, time.Since(start))
			}
			return outcome{text: fmt.Sprintf("%s, at most %s", short(median(costs)), short(longest(costs)))}
		},
	}
}

var bounds = []situation{
	atTheBound("a plain 401", func(c *cache.Cache[int], i int) { c.Refused(strconv.Itoa(1000 + i)) }),
	atTheBound("Invalidate", func(c *cache.Cache[int], i int) { c.Invalidate(strconv.Itoa(5000 + i)) }),
	atTheBound("Status, as a caller of another key sees it", func(c *cache.Cache[int], i int) {
		if i%100 == 0 {
			go c.Status()
		}
		c.Prefetch(cache.DefaultMaxTokens - 1 - i) // takes the lock
	}),
	atTheBound("a new key, after every key was hit", func(c *cache.Cache[int], i int) {
		_, _ = c.Get(context.Background(), 1_000_000+i)
	}),
}

func longest(costs []time.Duration) (d time.Duration) {
	for _, cost := range costs {
		d = max(d, cost)
	}
	return d
}
