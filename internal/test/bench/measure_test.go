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

// perCall returns the cost of one call of f. It takes the lower quartile of several rounds, because
// other work on the machine only makes a round longer. Even slow functions get many calls per
// round: a search through a map, such as azidentity's, varies by chance, and the best of a few
// calls would flatter it.
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

// perCallOfEach is perCall for two functions to compare. They alternate, because the machine may be
// busier at times.
func perCallOfEach(f, g func()) (costF, costG time.Duration) {
	costF, costG = perCall(f), perCall(g)
	for range 2 {
		costF, costG = min(costF, perCall(f)), min(costG, perCall(g))
	}
	return costF, costG
}

// bytesPerCall returns the bytes that a call of f allocates.
func bytesPerCall(f func()) uint64 {
	const calls = 1000
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	for range calls {
		f()
	}
	metrics.Read(sample)
	return (sample[0].Value.Uint64() - before) / calls
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
}

// get returns a token, or fails the test.
func get(tb testing.TB, cred azcore.TokenCredential, s string) azcore.AccessToken {
	token, err := cred.GetToken(context.Background(), scope(s))
	require.NoError(tb, err)
	return token
}

// timed returns how long a caller waited.
func timed(ctx context.Context, cred azcore.TokenCredential, s string) (waited time.Duration, err error) {
	start := time.Now()
	_, err = cred.GetToken(ctx, scope(s))
	return time.Since(start), err
}

// heap returns the live bytes after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // collects what finalizers and sync.Pool released
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// peakHeap runs f and returns how far the heap rose above its start, sampled every millisecond, and
// how many bytes were allocated in total.
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

// short formats a duration with three digits, the precision of a measurement.
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
