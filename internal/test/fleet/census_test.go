package fleet

import (
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// outcome is the result of a token request.
type outcome int

const (
	granted outcome = iota
	throttled
	refused // by an outage
	outcomes
)

// minute counts what happened in one minute.
type minute struct {
	requests [outcomes]int // at the endpoint
	failed   int           // calls of GetToken that returned an error
	// waited counts calls that waited for an exchange and got a token, except a pod's first for
	// each scope.
	waited int
}

func (m minute) total() int { return m.requests[granted] + m.requests[throttled] + m.requests[refused] }

// census keeps counts for every minute. It is safe for concurrent use.
type census struct {
	plan  plan
	start time.Time

	mu      sync.Mutex
	minutes []minute
	calls   int
	expired int // tokens that had expired when a caller got them
	// held counts calls that waited or failed although the pod had a token that was not in its
	// final seconds.
	held int

	recovered [][]time.Duration // by outage: how long after its end each key got a new token
}

func newCensus(p plan) *census {
	return &census{
		plan:  p,
		start: time.Now(),
		// Exchanges in flight at the end land later.
		minutes:   make([]minute, p.duration/time.Minute+3),
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

// call records a call that took this long. before is the token that the pod held, if any.
func (c *census) call(before, after azcore.AccessToken, took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	called := time.Now().Add(-took)
	switch {
	case err != nil:
		c.now().failed++
	case took > 0 && before.Token != "":
		c.now().waited++
	}
	if (err != nil || took > 0) && called.Add(5*time.Second).Before(before.ExpiresOn) {
		c.held++
	}
	if err == nil && !time.Now().Before(after.ExpiresOn) {
		c.expired++
	}
}

// recovery records how long after an outage a key got its first new token.
func (c *census) recovery(outage int, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recovered[outage] = append(c.recovered[outage], after)
}

// rate is a rate of requests per minute.
type rate struct {
	min, peak int
	mean      float64
}

func (r rate) peakToMean() float64 { return float64(r.peak) / r.mean }

// rate returns the rate of requests between two times since the start.
func (c *census) rate(from, to time.Duration) rate {
	r, sum := rate{min: c.minutes[from/time.Minute].total()}, 0
	window := c.minutes[from/time.Minute : to/time.Minute]
	for _, m := range window {
		r.min, r.peak, sum = min(r.min, m.total()), max(r.peak, m.total()), sum+m.total()
	}
	r.mean = float64(sum) / float64(len(window))
	return r
}

// failures returns how many calls failed between two times, and the minutes of the first and the
// last.
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

// percentile returns a percentile of the times to recovery after an outage.
func (c *census) percentile(outage int, share float64) time.Duration {
	slices.Sort(c.recovered[outage])
	times := c.recovered[outage]
	return times[int(share*float64(len(times)-1))].Round(100 * time.Millisecond)
}
