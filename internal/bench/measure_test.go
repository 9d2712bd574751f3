package bench

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"
)

// perCall tells what one call of f costs: the lower quartile of several rounds, because what else the machine does only
// makes a round longer. A round has many calls, however slow: a search through a map, as azidentity's, takes more or less
// by chance, and the best of few would flatter it.
func perCall(f func()) time.Duration {
	calls := 128
	round := func() time.Duration {
		start := time.Now()
		for range calls {
			f()
		}
		return time.Since(start)
	}
	for round() < 20*time.Millisecond {
		calls *= 2
	}
	rounds := make([]time.Duration, 15)
	for i := range rounds {
		rounds[i] = round()
	}
	slices.Sort(rounds)
	return rounds[len(rounds)/4] / time.Duration(calls)
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
}

// get fails the test without a token.
func get(tb testing.TB, cred azcore.TokenCredential, s string) azcore.AccessToken {
	token, err := cred.GetToken(context.Background(), scope(s))
	require.NoError(tb, err)
	return token
}

// timed tells how long a caller waited.
func timed(ctx context.Context, cred azcore.TokenCredential, s string) (waited time.Duration, err error) {
	start := time.Now()
	_, err = cred.GetToken(ctx, scope(s))
	return time.Since(start), err
}

// heap tells what is live after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // for what finalizers and sync.Pool let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// peakHeap runs f and tells how far the heap rose above where it was, by looking every millisecond, and how much was
// allocated altogether.
func peakHeap(f func()) (peak, allocated uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	read := func() (live, total uint64) {
		metrics.Read(sample)
		return sample[0].Value.Uint64(), sample[1].Value.Uint64()
	}
	heap()
	before, total := read()
	done, highest := make(chan struct{}), make(chan uint64)
	go func() {
		var high uint64
		for {
			live, _ := read()
			high = max(high, live)
			select {
			case <-done:
				highest <- high
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	high := <-highest
	_, after := read()
	return high - min(high, before), after - total
}

// short writes a duration in three digits, which is what a measurement is worth.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0 s"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
}

func bytesText(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.3g KiB", float64(n)/(1<<10))
	case n < 1000<<20:
		return fmt.Sprintf("%.3g MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.3g GiB", float64(n)/(1<<30))
	}
}
