package soak

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// watch ends the process, with the stacks of all goroutines, if a call takes too long. It returns a
// function that ends the watch.
func watch(all []*worker) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for ctx.Err() == nil {
			for _, w := range all {
				if began := w.began.Load(); began != 0 && time.Since(time.Unix(0, began)) > stuck {
					_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
					panic("a call has not returned in " + stuck.String())
				}
			}
			pause(ctx, time.Second)
		}
	}()
	return cancel
}

// heap returns the bytes in use after a collection.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // the second run frees objects with finalizers
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// noLeak checks that no goroutine is left after the last exchanges have ended and the connections
// are closed.
func noLeak(t *testing.T, r *rig, before int) {
	r.close()
	settle := time.Now().Add(40 * time.Second) // an exchange may take thirty
	for runtime.NumGoroutine() > before && time.Now().Before(settle) {
		time.Sleep(50 * time.Millisecond)
		r.client.CloseIdleConnections()
	}
	if n := runtime.NumGoroutine(); n > before {
		var stacks bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		assert.Fail(t, "goroutines leaked", "%d before, %d after:\n%s", before, n, &stacks)
	}
}
