package cache_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/cache"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first program of TestModel")
	seeds     = flag.Uint64("seeds", 2000, "how many programs TestModel runs")
)

// TestModel runs random programs against the model. For each broken promise it prints the log of
// one program that broke it. To run one program, or many:
//
//	go test ./cache -run TestModel -args -seed 17 -seeds 1
//	go test ./cache -run TestModel -args -seeds 100000
//
// The cache's own jitter is not seeded, so a rare failure may need several runs (-count) to come
// back.
func TestModel(t *testing.T) {
	broken := map[string][]uint64{}
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		m := runProgram(t, seed)
		if m.violation == "" {
			continue
		}
		broken[m.violation] = append(broken[m.violation], seed)
		if len(broken[m.violation]) == 1 {
			t.Errorf("seed %d breaks a promise: %s\n%s", seed, m.violation, m.text())
		}
	}
	for promise, by := range broken {
		t.Logf("%d of %d programs: %s, such as %v", len(by), *seeds, promise, by[:min(len(by), 10)])
	}
}

// text returns the log.
func (m *model) text() string {
	var b strings.Builder
	for _, l := range m.log {
		fmt.Fprintf(&b, "%16s  %s\n", l.at, fmt.Sprintf(l.format, l.args...))
	}
	return b.String()
}

// abandonWindow is how long after its timeout the cache may take to abandon a fetch that ignores
// its context.
const abandonWindow = time.Second

// plan is what a fetch does once the program releases it. It fails when its context ends, unless it
// ignores that.
type plan struct {
	name                string // of the token it returns
	after               time.Duration
	ignores             bool
	does                string
	lifetime, refreshIn time.Duration
	retryAfter          time.Duration
}

func (p plan) String() string {
	what := p.does
	switch {
	case p.does == "return":
		what = fmt.Sprintf("return %s for %s", p.name, p.lifetime)
		if p.refreshIn != 0 {
			what += fmt.Sprintf(", to be refreshed after %s", p.refreshIn)
		}
	case p.retryAfter != 0:
		what = fmt.Sprintf("fail and request a pause of %s", p.retryAfter)
	}
	if p.ignores {
		what += ", whatever its context does"
	}
	return fmt.Sprintf("in %s will %s", p.after, what)
}

// fetchError is the error of a fetch that fails as planned.
type fetchError struct {
	fetch      *fetch
	retryAfter time.Duration
}

func (e *fetchError) Error() string { return fmt.Sprintf("%s failed", e.fetch) }

// settings are the Options of a program.
type settings struct {
	maxTokens int
	timeout   time.Duration
	backoff   backoff
}

// backoff is an Options.Backoff whose value never decreases. Nil means the default.
type backoff func(failures int) time.Duration

// between bounds the back-off after f. If f did not return its own error, the cache may use the
// default.
func (b backoff) between(f *fetch, failures count) between {
	usual := func(failures int) time.Duration { return min(time.Second<<(min(failures, 6)-1), 30*time.Second) }
	result := between{usual(failures.least), 2 * usual(failures.most)}
	if b == nil {
		return result
	}
	own := between{min(b(failures.least), time.Hour), b(failures.most)} // a huge one is clamped
	if failure := (*fetchError)(nil); errors.As(f.err, &failure) && !f.abandoned {
		return own
	}
	return between{min(own.least, result.least), max(own.most, result.most)}
}

// program makes random calls to a cache and controls its fetches. It does one thing at a time and
// waits until the bubble is idle, so that the model knows the order of events even at the same
// instant.
type program struct {
	*model
	random         *rand.Rand
	cache          *cache.Cache[string]
	calls, fetches int
	names          []string // of all tokens issued
	flying         []*fetch // have not returned, abandoned ones included

	mu             sync.Mutex
	started, ended []*fetch // since the last step
	returned       []func() // results of calls since the last step
	over           bool
}

// runProgram runs a program in a bubble and returns its model.
func runProgram(t *testing.T, seed uint64) (m *model) {
	defer func() {
		if p := recover(); p != nil { // a panic of synctest
			m.broken("no goroutine is left", "%v", p)
		}
	}()
	synctest.Test(t, func(*testing.T) {
		p := newProgram(seed)
		m = p.model
		for i := 0; i < 60 && m.violation == ""; i++ {
			p.do()
		}
		p.finish()
	})
	return m
}

func newProgram(seed uint64) *program {
	random := rand.New(rand.NewPCG(seed, 0))
	options := settings{
		maxTokens: choose(random, 100, 100, 2, 1),
		timeout:   choose(random, 30*time.Second, 10*time.Second),
		backoff: choose(random, nil, nil,
			func(int) time.Duration { return 0 },
			func(int) time.Duration { return 3 * time.Second },
			func(failures int) time.Duration { return time.Duration(failures) * 4 * time.Second },
			func(failures int) time.Duration {
				return []time.Duration{time.Second, math.MaxInt64}[min(failures/3, 1)]
			}),
	}
	p := &program{random: random, model: &model{
		options: options, origin: time.Now(), step: 1,
		keys: []*keyModel{{name: "a"}, {name: "b"}, {name: "c"}}, tokens: map[string]*fetch{}, invalidated: map[string]int{},
	}}
	o := &cache.Options{MaxTokens: options.maxTokens, Timeout: options.timeout, RetryAfter: func(err error) time.Duration {
		if failure := (*fetchError)(nil); errors.As(err, &failure) {
			return failure.retryAfter
		}
		return 0
	}}
	if options.backoff != nil {
		o.Backoff = func(_ error, failures int) time.Duration { return options.backoff(failures) }
	}
	p.cache = cache.New(p.fetch, o)
	p.tell("MaxTokens %d, Timeout %s, Backoff %v", options.maxTokens, options.timeout, options.backoff.between(&fetch{}, count{1, 1}))
	return p
}

// choose returns one of the choices.
func choose[T any](random *rand.Rand, choices ...T) T { return choices[random.IntN(len(choices))] }

// fetch is the fetch function. The program decides what it does only after it has started, so that
// the order in which fetches start does not change the random numbers.
func (p *program) fetch(ctx context.Context, key, claims string) (azcore.AccessToken, error) {
	f := &fetch{key: key, claims: claims, startedAt: p.since(time.Now()), release: make(chan struct{})}
	p.mu.Lock()
	p.started = append(p.started, f)
	over := p.over
	p.mu.Unlock()
	if over {
		return azcore.AccessToken{}, errors.New("the program is over")
	}
	var timeout error
	select {
	case <-f.release:
	case <-ctx.Done():
		p.mu.Lock()
		ignores := f.ignores
		p.mu.Unlock()
		if ignores {
			<-f.release
		} else {
			timeout = ctx.Err()
		}
	}
	return p.end(f, timeout)
}

// end ends f as planned.
func (p *program) end(f *fetch, timeout error) (t azcore.AccessToken, _ error) {
	now := p.since(time.Now())
	switch {
	case timeout != nil:
		f.err = timeout
	case f.does == "fail":
		f.err = &fetchError{f, f.retryAfter}
	case f.does == "return":
		f.expiresOn = now + f.lifetime + time.Duration(f.id) // so that no two are equal
		t = azcore.AccessToken{Token: f.name, ExpiresOn: p.origin.Add(f.expiresOn)}
		if f.refreshIn != 0 {
			t.RefreshOn = p.origin.Add(now + f.refreshIn)
		}
	}
	f.landedAt = now
	p.mu.Lock()
	p.ended = append(p.ended, f)
	p.mu.Unlock()
	switch {
	case f.err == nil && f.does == "panic":
		panic("in a fetch")
	case f.err == nil && f.does == "exit":
		runtime.Goexit()
	}
	return t, f.err
}

// decide makes the plan of a fetch that has started.
func (p *program) decide(f *fetch) {
	r := p.random
	f.plan = plan{
		name:       fmt.Sprintf("%s%s-%d", f.key, f.claims, f.id),
		after:      choose(r, 0, 50*time.Millisecond, time.Second, 3*time.Second, 7*time.Second, time.Hour) + time.Duration(r.IntN(3))*time.Second,
		does:       choose(r, "return", "return", "return", "return", "return", "return", "fail", "fail", "fail", choose(r, "panic", "exit")),
		lifetime:   choose(r, time.Hour, time.Hour, time.Hour, 24*time.Hour, 10*time.Minute, 20*time.Second, choose(r, 5*time.Second, 3*time.Second, -time.Second)),
		refreshIn:  choose(r, 0, 0, time.Minute, -time.Minute),
		retryAfter: choose(r, 0, 0, 1, 5*time.Second, time.Minute, 10*time.Minute, 24*time.Hour),
	}
	ignores, late, same := r.IntN(3) == 0, time.Duration(r.IntN(60))*time.Second, r.IntN(8) == 0
	f.ignores = ignores
	if f.after >= p.options.timeout {
		f.after = p.options.timeout + 2*abandonWindow + late
	}
	if held := p.key(f.key).held; same && held != nil && p.now < held.expiresOn {
		f.name = held.name // as if from the server's own cache
	}
}

// settle waits until everything that follows from one cause has happened, and judges it.
func (p *program) settle(s seen) {
	synctest.Wait()
	p.now = p.since(time.Now())
	p.mu.Lock()
	s.started, p.started = p.started, nil
	ended := p.ended
	p.ended = nil
	for _, note := range p.returned {
		note()
	}
	p.returned = nil
	p.mu.Unlock()

	slices.SortFunc(ended, func(f, g *fetch) int { return cmp.Or(cmp.Compare(f.landedAt, g.landedAt), cmp.Compare(f.id, g.id)) })
	for _, f := range ended {
		p.flying = slices.DeleteFunc(p.flying, func(other *fetch) bool { return other == f })
		if f.expiresOn != 0 {
			p.tokens[tokenID(f.name, f.expiresOn)] = f
			p.names = append(p.names, f.name)
		}
		if f.abandoned {
			p.tell("  %s returns, long abandoned", f)
			continue
		}
		p.tell("  %s ends: %v", f, cmp.Or(f.err, errors.New(f.does)))
		s.landed = append(s.landed, f)
	}
	slices.SortFunc(s.started, func(f, g *fetch) int { return cmp.Or(cmp.Compare(f.key, g.key), cmp.Compare(f.claims, g.claims)) })
	for _, f := range s.started {
		p.fetches++
		f.id, f.step = p.fetches, p.step
		p.mu.Lock()
		p.decide(f)
		p.mu.Unlock()
		p.tell("  %s starts; %s", f, f.plan)
		p.flying = append(p.flying, f)
	}
	for _, c := range p.open {
		if c.returned && c.err != nil {
			p.tell("  %s fails: %v", c, c.err)
		} else if c.returned {
			p.tell("  %s returns %s, RefreshOn %s", c, c.token.Token, p.since(c.token.RefreshOn))
		}
	}
	s.status = p.cache.Status()
	p.judge(s)
}

// next returns the next instant at which something happens without the program: a fetch returns or
// times out, or a caller's deadline passes.
func (p *program) next() instant {
	next := never
	for _, f := range p.flying {
		next = min(next, p.due(f))
	}
	for _, c := range p.open {
		if c.deadline > p.now {
			next = min(next, c.deadline)
		}
	}
	return next
}

// due returns when f does something.
func (p *program) due(f *fetch) instant {
	if f.abandoned {
		return f.startedAt + f.after
	}
	return f.startedAt + min(f.after, p.options.timeout)
}

// runUntil lets time pass. Fetches that are due exactly at the end return only if last is set.
func (p *program) runUntil(end instant, last bool) {
	for p.violation == "" && (p.next() < end || p.next() == end && last) {
		p.sleepUntil(p.next())
		for _, f := range slices.Clone(p.flying) {
			if p.due(f) <= p.now && slices.Contains(p.flying, f) {
				p.happen(f)
			}
		}
	}
	if p.violation != "" {
		return
	}
	p.sleepUntil(end)
	for _, f := range p.flying {
		if p.timedOut(f, p.now) {
			p.abandon()
			break
		}
	}
}

// sleepUntil lets time pass while nothing is due.
func (p *program) sleepUntil(at instant) {
	time.Sleep(at - p.now)
	p.settle(seen{})
}

// happen lets f, which is due, return, or lets the cache abandon it.
func (p *program) happen(f *fetch) {
	if p.timedOut(f, p.now) {
		p.abandon()
		return
	}
	close(f.release)
	p.settle(seen{})
}

// timedOut reports whether f ignores its context and that context has ended by at.
func (p *program) timedOut(f *fetch, at instant) bool {
	return f.ignores && !f.abandoned && f.startedAt+p.options.timeout <= at
}

// abandon lets time pass until the cache has abandoned the fetches that timed out. The model does
// not care when exactly that is.
func (p *program) abandon() {
	var s seen
	end := p.now
	for _, f := range p.flying { // in the order in which they started
		if p.timedOut(f, end+abandonWindow) {
			end = max(end, f.startedAt+p.options.timeout)
			s.landed = append(s.landed, f)
		}
	}
	end += abandonWindow
	time.Sleep(end - p.now)
	for _, f := range s.landed {
		f.abandoned, f.landedAt = true, end
		p.tell("  %s is abandoned", f)
	}
	p.settle(s)
}

// moment returns when to do the next thing: soon, or when the state of a key or a fetch changes.
func (p *program) moment() instant {
	r := p.random
	soon := p.now + choose(r, 0, 0, time.Duration(r.IntN(1000))*time.Millisecond, time.Duration(r.IntN(10))*time.Second)
	later := p.now + choose(r, time.Minute, 10*time.Minute, time.Hour)
	offset := choose(r, -1, 0, 0, 1, time.Second)
	at := []instant{later}
	for _, k := range p.keys {
		at = append(at, k.backoff.least, k.backoff.most, k.requested.least, k.requested.most)
		if h := k.held; h != nil {
			at = append(at, h.stale.most, h.stale.most, h.finalFrom(), h.finalFrom(), h.expiresOn, h.landedAt+sameChallenge)
		}
	}
	if next := p.next(); next != never {
		at = append(at, next)
	}
	pick, far := r.IntN(60)%len(at), r.IntN(4) == 0
	if then := at[pick]; far && then < p.now+100*time.Hour && then+offset >= p.now {
		return then + offset
	}
	return soon
}

// do does one thing.
func (p *program) do() {
	r := p.random
	p.runUntil(p.moment(), r.IntN(2) == 0)
	k := p.key(choose(r, "a", "a", "a", "b", "c"))
	claims, many := choose(r, "{x}", "{y}"), choose(r, 1, 1, 1, 2, 5)
	old := r.IntN(4) == 0
	switch what := r.IntN(100); {
	case p.violation != "":
	case what < 45:
		p.call(k.name, "", many)
		p.settle(seen{})
	case what < 60:
		p.call(k.name, claims, many)
		p.settle(seen{})
	case what < 68:
		p.disown(k, old, "Invalidate", p.invalidate, p.cache.Invalidate)
	case what < 78:
		p.disown(k, old, "Refused", p.refuse, p.cache.Refused)
	case what < 86:
		p.tell("Prefetch(%s)", k.name)
		p.cache.Prefetch(k.name)
		p.settle(seen{prefetched: k.name})
	case what < 92:
		if len(p.open) > 0 {
			c := choose(r, p.open...)
			p.tell("%s is canceled", c)
			c.cancel()
			p.settle(seen{})
		}
	default:
		// An eviction in between would hide what happened.
		if f := k.counting(); f != nil && p.due(f) > p.now && !p.bounded() {
			p.tell("at once:")
			close(f.release)
			p.call(k.name, "", many)
			p.settle(seen{racing: true})
		}
	}
}

// call starts several calls at once, of Get or, with claims, of Renew.
func (p *program) call(key, claims string, many int) {
	for range many {
		p.calls++
		c := &call{id: p.calls, key: key, claims: claims, live: true}
		switch limit := choose(p.random, 0, 0, 0, 0, -1, 1, time.Second, time.Duration(p.random.IntN(20_000))*time.Millisecond); {
		case limit > 0:
			c.ctx, c.cancel = context.WithTimeout(context.Background(), limit)
			c.deadline = p.now + limit
			p.tell("%s, for at most %s", c, limit)
		case limit < 0:
			c.ctx, c.cancel = context.WithCancel(context.Background())
			c.cancel()
			c.live = false
			p.tell("%s, whose context has ended", c)
		default:
			c.ctx, c.cancel = context.WithCancel(context.Background())
			p.tell("%s", c)
		}
		p.begin(c)
		go func() {
			var token azcore.AccessToken
			var err error
			if c.get() {
				token, err = p.cache.Get(c.ctx, c.key)
			} else {
				token, err = p.cache.Renew(c.ctx, c.key, c.claims)
			}
			at := p.since(time.Now())
			p.mu.Lock()
			defer p.mu.Unlock()
			p.returned = append(p.returned, func() { c.token, c.err, c.returned, c.returnedAt = token, err, true, at })
		}()
	}
}

// disown invalidates or refuses a token: the key's, or another one that no fetch in flight can
// bring back.
func (p *program) disown(k *keyModel, old bool, name string, model, cache func(string)) {
	var token string
	switch {
	case k.held != nil && p.now < k.held.expiresOn && !old:
		token = k.held.name
	case len(p.names) > 0:
		token = choose(p.random, p.names...)
		for _, f := range p.flying {
			if f.name == token {
				return
			}
		}
	default:
		return
	}
	p.tell("%s(%s)", name, token)
	model(token)
	cache(token)
	p.settle(seen{})
}

// finish waits until every fetch and every call has returned.
func (p *program) finish() {
	for p.violation == "" && len(p.flying)+len(p.open) > 0 {
		p.runUntil(p.next(), true)
	}
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	for _, c := range p.open {
		c.cancel()
	}
	for _, f := range p.flying {
		close(f.release)
	}
	time.Sleep(time.Hour)
}
