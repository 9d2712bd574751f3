package credential_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
)

var (
	sinkAny  any
	sinkTime time.Time
)

type floorKey struct {
	tenant, scopes string
	cae            bool
}

// BenchmarkFloor is the lower bound of a hit: one load by a three-field key and one reading of the
// clock.
func BenchmarkFloor(b *testing.B) {
	var m sync.Map
	k := floorKey{tenantID, vault, false}
	m.Store(k, new(azcore.AccessToken))
	b.ReportAllocs()
	for b.Loop() {
		sinkAny, _ = m.Load(k)
		sinkTime = time.Now()
	}
}

func BenchmarkHit(b *testing.B) {
	for _, held := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("tokens=%d", held), func(b *testing.B) {
			c, ctx, options := holding(b, held), context.Background(), scope(numbered(held/2))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.GetToken(ctx, options); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHitParallel scales with -cpu 1,2,4,….
func BenchmarkHitParallel(b *testing.B) {
	c := holding(b, 100)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx, options := context.Background(), scope(numbered(1))
		for pb.Next() {
			if _, err := c.GetToken(ctx, options); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkColdStart gets a new credential's first token through the whole stack except the
// network.
func BenchmarkColdStart(b *testing.B) {
	options := benchOptions(b)
	b.ReportAllocs()
	for b.Loop() {
		c, err := credential.New(options)
		require.NoError(b, err)
		_, err = c.GetToken(context.Background(), scope(vault))
		require.NoError(b, err)
	}
}

// TestHitAllocatesNothing asserts the part of the benchmarks that holds on any machine.
func TestHitAllocatesNothing(t *testing.T) {
	c, ctx, options := holding(t, 1000), context.Background(), scope(numbered(500))
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = c.GetToken(ctx, options) }))
}

func numbered(i int) string { return fmt.Sprintf("https://r%d.example/.default", i) }

func benchOptions(tb testing.TB) *credential.Options {
	links.Need(tb)
	entra := &entratest.Server{}
	file, err := new(entratest.Cluster).Project(tb.TempDir(), "token", entratest.TokenRequest{})
	require.NoError(tb, err)
	options := &credential.Options{ClientID: clientID, TenantID: tenantID, TokenFilePath: file.Path()}
	options.Transport = entra
	return options
}

func holding(tb testing.TB, tokens int) *credential.Credential {
	c, err := credential.New(benchOptions(tb))
	require.NoError(tb, err)
	for i := range tokens {
		_, err := c.GetToken(context.Background(), scope(numbered(i)))
		require.NoError(tb, err)
	}
	return c
}
