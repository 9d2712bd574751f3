package cache_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/cache"
)

// benchKey has the same shape as package credential's key.
type benchKey struct {
	tenant, scopes string
	cae            bool
}

func keyNumber(i int) benchKey {
	return benchKey{"72f988bf-86f1-41af-91ab-2d7cd011db47", "https://vault" + strconv.Itoa(i) + ".example/.default", true}
}

func benchFetch(context.Context, benchKey, string) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

var (
	sinkTime time.Time
	sinkAny  any
)

// BenchmarkFloor measures the least that a hit can cost: one map load with a three-field key and
// one clock reading.
func BenchmarkFloor(b *testing.B) {
	var m sync.Map
	key := keyNumber(0)
	m.Store(key, new(azcore.AccessToken))
	b.ReportAllocs()
	for b.Loop() {
		sinkAny, _ = m.Load(key)
		sinkTime = time.Now()
	}
}

func BenchmarkHit(b *testing.B) {
	for _, held := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("keys=%d", held), func(b *testing.B) {
			c := filled(b, held)
			key := keyNumber(held / 2)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Get(ctx, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHitParallel scales with -cpu 1,2,4,… if hits write nothing that they share.
func BenchmarkHitParallel(b *testing.B) {
	c := filled(b, 100)
	b.ReportAllocs()
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		key, ctx := keyNumber(int(n.Add(1))%100), context.Background()
		for pb.Next() {
			if _, err := c.Get(ctx, key); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkInsert measures the cost of adding a key to a full cache, where each one evicts another.
func BenchmarkInsert(b *testing.B) {
	for _, held := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("held=%d", held), func(b *testing.B) {
			c := cache.New(benchFetch, &cache.Options{MaxTokens: held})
			for i := range held {
				_, _ = c.Get(context.Background(), keyNumber(i))
			}
			b.ReportAllocs()
			for i := held; b.Loop(); i++ {
				_, _ = c.Get(context.Background(), keyNumber(i))
			}
		})
	}
}

func filled(tb testing.TB, keys int) *cache.Cache[benchKey] {
	c := cache.New(benchFetch, nil)
	for i := range keys {
		if _, err := c.Get(context.Background(), keyNumber(i)); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// TestHitAllocatesNothing asserts the one benchmark result that is the same on every machine.
func TestHitAllocatesNothing(t *testing.T) {
	c, ctx, key := filled(t, 1000), context.Background(), keyNumber(500)
	if allocs := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, key) }); allocs != 0 {
		t.Errorf("a hit allocates %v times", allocs)
	}
}
