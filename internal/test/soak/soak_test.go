package soak

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	workers = 300

	// stuck is how long one call may take. Contexts end within 300 ms; the rest is for a busy
	// machine.
	stuck = 20 * time.Second
)

func TestSoak(t *testing.T) {
	duration := 3 * time.Second
	if s := os.Getenv("ENTRAFED_SOAK"); s != "" {
		var err error
		duration, err = time.ParseDuration(s)
		require.NoError(t, err)
	}
	before := runtime.NumGoroutine()
	r := newRig(t)
	var all []*worker
	for range workers {
		all = append(all, &worker{rig: r, t: t})
	}

	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { r.flap(ctx) })
	group.Go(func() { r.rotate(ctx, t) })
	unwatch := watch(all)
	for _, w := range all {
		group.Go(func() { w.run(ctx) })
	}
	pause(ctx, duration/2)
	middle := heap()
	pause(ctx, duration/2-duration/10)
	end := heap()
	group.Wait()
	unwatch()

	calls, tokens := 0, 0
	for _, w := range all {
		calls, tokens = calls+w.calls, tokens+w.tokens
	}
	t.Logf("%d calls, %d tokens, heap %d KiB in the middle, %d KiB at the end", calls, tokens, middle>>10, end>>10)
	assert.Greater(t, tokens, calls/10, "most calls failed")
	assert.Less(t, end, middle*3/2+8<<20, "memory use must not grow")
	noLeak(t, r, before)
}
