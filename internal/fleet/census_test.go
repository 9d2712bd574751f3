package fleet

import (
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// outcome is what became of a token request.
type outcome int

const (
	granted outcome = iota
	throttled
	refused // by an outage
	outcomes
)

// minute is what happened in one minute.
type minute struct {
	requests [outcomes]int // at the endpoint
	failed   int           // calls of GetToken that returned an error
	waited   int           // calls that waited for an exchange and got a token, a pod's first for each scope aside
}

func (m minute) total() int { return m.requests[granted] + m.requests[throttled] + m.requests[refused] }

// census counts, minute by minute. It is safe for concurrent use.
type census struct {
	plan  plan
	start time.Time

	mu      sync.Mutex
	minutes []minute
	calls   int
	expired int // tokens that had expired when a caller got them
	held    int // calls that waited or failed although the pod had a token with more than its last seconds to go

	recovered [][]time.Duration // by outage: how long after its end each key had a new token
}

func newCensus(p plan) *census {
	return &census{
		plan:      p,
		start:     time.Now(),
		minutes:   make([]minute, p.duration/time.Minute+3), // what is in flight at the end ends later
		recovered: make([][]time.Duration, len(p.outages)),
	}
}

func (c *census) elapsed() time.Duration { return time.Since(c.start) }

func (c *census) now() *minute { return &c.minutes[c.elapsed()/time.Minute] }

func (c *census) request(o outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now().requests[o]++
}

// call notes a call that took so long, by a pod that held a token from before, or none.
func (c *census) call(before, after azcore.AccessToken, took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	asked := time.Now().Add(-took)
	switch {
	case err != nil:
		c.now().failed++
	case took > 0 && before.Token != "":
		c.now().waited++
	}
	if (err != nil || took > 0) && asked.Add(5*time.Second).Before(before.ExpiresOn) {
		c.held++
	}
	if err == nil && !time.Now().Before(after.ExpiresOn) {
		c.expired++
	}
}

// recovery notes that a key had its first new token so long after an outage.
func (c *census) recovery(outage int, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recovered[outage] = append(c.recovered[outage], after)
}

// rate is of requests per minute.
type rate struct {
	min, peak int
	mean      float64
}

func (r rate) peakToMean() float64 { return float64(r.peak) / r.mean }

// rate sums up the requests from one time to another, since the start.
func (c *census) rate(from, to time.Duration) rate {
	r, sum := rate{min: c.minutes[from/time.Minute].total()}, 0
	window := c.minutes[from/time.Minute : to/time.Minute]
	for _, m := range window {
		r.min, r.peak, sum = min(r.min, m.total()), max(r.peak, m.total()), sum+m.total()
	}
	r.mean = float64(sum) / float64(len(window))
	return r
}

// failures returns how many calls failed from one time to another, and the minutes of the first and the last.
func (c *census) failures(from, to time.Duration) (n int, first, last time.Duration) {
	for at := from; at < to; at += time.Minute {
		if failed := c.minutes[at/time.Minute].failed; failed > 0 {
			if n == 0 {
				first = at
			}
			n, last = n+failed, at
		}
	}
	return n, first, last
}

// percentile of the times to recovery after an outage.
func (c *census) percentile(outage int, share float64) time.Duration {
	slices.Sort(c.recovered[outage])
	times := c.recovered[outage]
	return times[int(share*float64(len(times)-1))].Round(100 * time.Millisecond)
}
