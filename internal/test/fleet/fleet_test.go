package fleet

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var csvFile = flag.String("csv", "", "file that TestFleet writes its requests per minute to")

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400) // time matters here, memory does not
	m.Run()
}

const (
	entraHour = 3599 * time.Second // the lifetime of Entra ID's tokens for applications

	// steadyRatio bounds the ratio of an hour's peak minute to its mean, once the fleet has spread.
	// Chance alone makes it about 1.4 at the everyday size. Without jitter it is five and more.
	steadyRatio = 2.25
)

// day is the fleet at the size that the environment selects, in a day with two outages: twenty
// minutes, which every token in use outlives, and an hour, which none does.
func day() plan {
	p := plan{pods: 800, duration: 12 * time.Hour}
	if os.Getenv("ENTRAFED_FLEET") == "full" {
		p = plan{pods: 10_000, duration: 24 * time.Hour}
	}
	p.rollout, p.busy, p.lifetime = time.Minute, 20, entraHour
	p.limit = 2 * p.keys() // twice for each key, so that a start passes
	p.outages = []outage{
		{p.duration / 3, p.duration/3 + 20*time.Minute, false},
		{p.duration / 2, p.duration/2 + time.Hour, true},
	}
	return p
}

func TestFleet(t *testing.T) {
	t.Parallel()
	p := day()
	c := p.run(t)
	c.report(t)
	require.NoError(t, c.write(*csvFile))

	assert.Zero(t, c.expired, "callers got expired tokens")
	assert.Zero(t, c.held, "calls that waited or failed with a good token in memory")
	long := p.outages[1]
	for h := 2 * time.Hour; h < p.duration; h += time.Hour {
		if c.settled(h) {
			assert.Less(t, c.rate(h, h+time.Hour).peakToMean(), steadyRatio, "hour %v", h)
		}
	}
	t.Run("calls fail only around the long outage", func(t *testing.T) {
		// No token was older than 40 minutes.
		before, _, _ := c.failures(0, long.start+20*time.Minute)
		after, _, _ := c.failures(long.end+2*time.Minute, p.duration)
		within, _, _ := c.failures(long.start, long.end)
		assert.Zero(t, before)
		assert.Zero(t, after)
		assert.NotZero(t, within, "the outage must last longer than tokens do")
	})
	t.Run("a key that failed makes one request per attempt", func(t *testing.T) {
		// Each key tries every 30 to 60 s. HTTP retries within each attempt would quadruple that.
		assert.Less(t, c.rate(long.end-10*time.Minute, long.end).mean, float64(p.keys())*3/2)
	})
	t.Run("recovery", func(t *testing.T) {
		for i, o := range p.outages {
			require.Len(t, c.recovered[i], p.keys())
			peak := c.rate(o.end, o.end+15*time.Minute).peak
			assert.Less(t, peak, p.keys()*3/2, "little more than one request per key in the worst minute")
			assert.Less(t, peak, c.rate(o.start, o.end).peak, "less than the outage itself")
		}
		assert.Less(t, c.percentile(1, 0.5), time.Minute, "callers are served within the longest back-off")
		assert.Less(t, c.percentile(1, 1), 12*time.Minute, "quiet pods ask after up to ten minutes")
	})
}

// TestAlwaysBusy is the worst case for synchrony. With traffic in every pod, only jitter spreads
// the refreshes.
func TestAlwaysBusy(t *testing.T) {
	t.Parallel()
	p := plan{pods: 600, duration: 6 * time.Hour, rollout: time.Minute, busy: 100, lifetime: entraHour}
	p.limit = 2 * p.keys()
	c := p.run(t)
	c.report(t)
	assert.Less(t, c.rate(time.Hour, 2*time.Hour).peakToMean(), 5.0)
	assert.Less(t, c.rate(5*time.Hour, 6*time.Hour).peakToMean(), steadyRatio)
	failed, _, _ := c.failures(0, p.duration)
	assert.Zero(t, failed+c.expired+c.held)
}

// TestThrottled has an endpoint that serves each key once in four minutes. That is less than the
// fleet asks for at its start and after an outage.
func TestThrottled(t *testing.T) {
	t.Parallel()
	p := plan{pods: 200, duration: 4 * time.Hour, rollout: time.Minute, busy: 20, lifetime: entraHour}
	p.limit = p.keys() / 4
	p.outages = []outage{{time.Hour, 2 * time.Hour, true}}
	c := p.run(t)
	c.report(t)
	assert.Zero(t, c.expired+c.held)
	for name, from := range map[string]time.Duration{"start": 0, "outage": 2 * time.Hour} {
		served := 0
		for _, m := range c.minutes[from/time.Minute:][:15] {
			served += m.requests[granted]
		}
		assert.GreaterOrEqual(t, served, p.keys(), "%s: every key gets a token as soon as the limit and quiet pods allow", name)
		failed, _, _ := c.failures(from+15*time.Minute, from+time.Hour)
		assert.Zero(t, failed, name)
		assert.Less(t, c.rate(from, from+15*time.Minute).peak, 3*p.keys(), "%s: Retry-After is heeded", name)
	}
}

// TestDayLongTokens has the tokens of managed identities: 24 hours, refresh_in halfway. They
// outlive every outage here.
func TestDayLongTokens(t *testing.T) {
	t.Parallel()
	p := plan{pods: 200, duration: 48 * time.Hour, rollout: time.Minute, busy: 20, lifetime: 24 * time.Hour, refreshIn: 12 * time.Hour}
	p.limit = 2 * p.keys()
	p.outages = []outage{{10 * time.Hour, 12 * time.Hour, true}}
	c := p.run(t)
	failed, _, _ := c.failures(0, p.duration)
	assert.Zero(t, failed+c.expired+c.held)
	assert.Less(t, c.rate(30*time.Hour, 48*time.Hour).peak, p.keys()/20, "spread over hours")
}
