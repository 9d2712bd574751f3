package fleet

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// settled reports whether the fleet had no outage in the two hours before h and has none in the
// hour after.
func (c *census) settled(h time.Duration) bool {
	for _, o := range c.plan.outages {
		if h+time.Hour > o.start && h < o.end+2*time.Hour {
			return false
		}
	}
	return true
}

// report logs the figures in docs/fleet.md.
func (c *census) report(t *testing.T) {
	t.Logf("%d pods, %d keys, %d calls, %d with an expired token, %d held up with a good one", c.plan.pods, c.plan.keys(), c.calls, c.expired, c.held)
	t.Logf("%9s %7s %8s %7s %6s %8s %8s", "hour", "min", "mean", "peak", "ratio", "failed", "waited")
	for h := time.Duration(0); h < c.plan.duration; h += time.Hour {
		r := c.rate(h, h+time.Hour)
		failed, _, _ := c.failures(h, h+time.Hour)
		waited := 0
		for _, m := range c.minutes[h/time.Minute:][:60] {
			waited += m.waited
		}
		t.Logf("%9v %7d %8.0f %7d %6.2f %8d %8d", h, r.min, r.mean, r.peak, r.peakToMean(), failed, waited)
	}
	for i, o := range c.plan.outages {
		r, late := c.rate(o.start, o.end), c.rate(o.end-10*time.Minute, o.end)
		t.Logf("outage %v to %v: requests per minute: mean %.0f, peak %d, last ten minutes %.0f", o.start, o.end, r.mean, r.peak, late.mean)
		_, first, last := c.failures(o.start, o.end+time.Hour)
		t.Logf("  calls failed from minute %v to %v", first, last)
		t.Logf("  until a key has a new token: median %v, 99%% %v, last %v", c.percentile(i, .5), c.percentile(i, .99), c.percentile(i, 1))
		for m := o.end; m < o.end+5*time.Minute; m += time.Minute {
			now := c.minutes[m/time.Minute]
			t.Logf("  %v after: %d requests, %d throttled, %d calls failed, %d waited", m-o.end, now.total(), now.requests[throttled], now.failed, now.waited)
		}
	}
}

// write writes the requests per minute to a file, if csv is not empty. internal/test/bench draws
// them.
func (c *census) write(csv string) error {
	if csv == "" {
		return nil
	}
	var b strings.Builder
	b.WriteString("minute,granted,throttled,refused,calls failed,calls waited\n")
	for i, m := range c.minutes[:c.plan.duration/time.Minute] {
		fmt.Fprintf(&b, "%d,%d,%d,%d,%d,%d\n", i, m.requests[granted], m.requests[throttled], m.requests[refused], m.failed, m.waited)
	}
	return os.WriteFile(csv, []byte(b.String()), 0o644)
}
