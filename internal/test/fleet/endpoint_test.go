package fleet

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	latency    = 100 * time.Millisecond // of every reply
	retryAfter = 15 * time.Second       // longer than the library waits within an exchange
)

// outage is a time in which the endpoint serves nobody.
type outage struct {
	start, end  time.Duration // since the fleet's start
	unreachable bool          // no connection; otherwise 503 without a Retry-After
}

var errUnreachable = errors.New("dial tcp: connection refused")

// endpoint is the token endpoint of the whole fleet: the fake Entra ID with a limit and outages.
// Its replies are scripted, because a million signatures would take longer than everything that is
// measured here.
type endpoint struct {
	plan   plan
	census *census

	mu       sync.Mutex
	grant    fake
	throttle fake
	down     fake
	// Token bucket: how many requests may come now, at most one more than a second's worth.
	allowance float64
	filled    time.Time
}

func newEndpoint(p plan, c *census) *endpoint {
	e := &endpoint{plan: p, census: c, allowance: float64(p.limit) / 60, filled: time.Now()}
	e.grant.reply = bare(entratest.Reply{Status: http.StatusOK, Body: p.token()})
	e.throttle.reply = bare(entratest.Throttle(retryAfter))
	e.down.reply = bare(entratest.Reply{Status: http.StatusServiceUnavailable, Body: `{"error":"temporarily_unavailable"}`})
	return e
}

// Do is the transport of every pod.
func (e *endpoint) Do(r *http.Request) (*http.Response, error) {
	if server := e.admit(); server != nil {
		return server.Do(r)
	}
	time.Sleep(latency)
	return nil, errUnreachable
}

// admit counts a request and returns the server that answers it, or nil.
func (e *endpoint) admit() *entratest.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range e.plan.outages {
		if since := e.census.elapsed(); since >= o.start && since < o.end {
			e.census.request(refused)
			if o.unreachable {
				return nil
			}
			return e.down.server()
		}
	}
	if !e.allow() {
		e.census.request(throttled)
		return e.throttle.server()
	}
	e.census.request(granted)
	return e.grant.server()
}

// allow takes a request from the bucket, if one is left.
func (e *endpoint) allow() bool {
	now, perSecond := time.Now(), float64(e.plan.limit)/60
	// Pods ask on the second, so the bucket must not lose fractions.
	e.allowance = min(e.allowance+now.Sub(e.filled).Seconds()*perSecond, perSecond+1)
	e.filled = now
	if e.allowance < 1 {
		return false
	}
	e.allowance--
	return true
}

// fake is an entratest.Server with one reply. It is replaced regularly, because it keeps everything
// that it receives.
type fake struct {
	reply  entratest.Reply
	now    *entratest.Server
	served int
}

func (f *fake) server() *entratest.Server {
	if f.served%1000 == 0 {
		f.now = new(entratest.Server)
		f.now.SetReply(&f.reply)
		f.now.SetDelay(latency)
	}
	f.served++
	return f.now
}

// bare removes headers that make each reply more expensive and change nothing.
func bare(r entratest.Reply) entratest.Reply {
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	for _, name := range []string{
		"Cache-Control", "Pragma", "Expires", "Strict-Transport-Security", "X-Content-Type-Options", "P3P", "X-Ms-Ests-Server", "X-Ms-Request-Id",
	} {
		r.Header[name] = nil
	}
	return r
}
