package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/cache"
)

// instant is the time since the program began.
type instant = time.Duration

const (
	never         = instant(1<<63 - 1)
	finalWindow   = 5 * time.Second // before expiry; callers then wait for a new token
	sameChallenge = 5 * time.Second // how long an answer is shared
	mostRequested = time.Hour       // the longest pause that a server can request
)

// between bounds an instant that the cache picks at random or that its promises leave open.
type between struct{ least, most instant }

// count bounds a number that the promises leave open.
type count struct{ least, most int }

// doubt says whether the cache counts a refusal. It may ignore one that follows another soon.
type doubt int

const (
	no doubt = iota
	maybe
	yes
)

// fetch is one call of the fetch function, and the token that it returned.
type fetch struct {
	plan
	id          int // in the order in which they started
	key, claims string
	step        int // in which it started
	startedAt   instant
	release     chan struct{}

	err       error
	expiresOn instant // zero if there is no token

	// The model's view.
	counts    bool // plain: neither superseded nor invalidated
	abandoned bool
	landed    int // the step in which it returned or was abandoned; zero while in flight
	landedAt  instant
	stored    bool    // its token became the key's
	stale     between // when its token becomes stale
	failures  count   // of the key, when the fetch started
}

func (f *fetch) plain() bool          { return f.claims == "" }
func (f *fetch) finalFrom() instant   { return f.expiresOn - finalWindow }
func (f *fetch) answers(c *call) bool { return f.key == c.key && f.claims == c.claims }

// requests returns the pause that the failed fetch requested.
func (f *fetch) requests() time.Duration {
	var failure *fetchError
	if f.abandoned || !errors.As(f.err, &failure) {
		return 0
	}
	return failure.retryAfter
}

func (f *fetch) String() string { return fmt.Sprintf("fetch %d of %s%s", f.id, f.key, f.claims) }

// call is one call of Get or, with claims, of Renew.
type call struct {
	id          int
	key, claims string
	ctx         context.Context
	cancel      context.CancelFunc
	deadline    instant // zero if none
	live        bool    // the context had not ended when the call began

	began      int // the step in which it began
	beganAt    instant
	held       *fetch // the key's token when the call began
	good, poor bool   // that token was certainly worth returning, or certainly not

	returned   bool
	returnedAt instant
	token      azcore.AccessToken
	err        error
}

func (c *call) get() bool { return c.claims == "" }

func (c *call) String() string {
	if c.get() {
		return fmt.Sprintf("Get(%s) #%d", c.key, c.id)
	}
	return fmt.Sprintf("Renew(%s, %s) #%d", c.key, c.claims, c.id)
}

// keyModel is what a cache must know about one key.
type keyModel struct {
	name     string
	held     *fetch // the fetch of its token; nil if none
	refused  doubt
	flying   []*fetch
	answered *fetch // the newest challenge whose answer was stored

	refusedAt, disownedAt instant // by Refused, and by Refused or Invalidate
	disowned              int     // the step of disownedAt

	backoff, requested between // earliest start of the next plain fetch, and of any fetch
	// longest is the fetch with the longest requested pause, latest the newest that requested one.
	longest, latest  int
	failures         count
	failed           int      // the step in which a plain fetch that counted last failed
	failedChallenges []*fetch // all failed challenges
}

// worth reports whether the key's token is certainly worth returning.
func (k *keyModel) worth(now instant) bool {
	return k.held != nil && now < k.held.finalFrom() && k.refused == no
}

// poor reports whether the key's token is certainly not worth returning.
func (k *keyModel) poor(now instant) bool {
	return k.held == nil || now >= k.held.finalFrom() || k.refused == yes
}

// counting returns the plain fetch in flight that counts, or nil.
func (k *keyModel) counting() *fetch {
	return k.find(func(f *fetch) bool { return f.plain() && f.counts })
}

func (k *keyModel) challenge() *fetch {
	return k.find(func(f *fetch) bool { return !f.plain() })
}

func (k *keyModel) find(match func(*fetch) bool) *fetch {
	if i := slices.IndexFunc(k.flying, match); i >= 0 {
		return k.flying[i]
	}
	return nil
}

// pause returns when the next plain fetch may start.
func (k *keyModel) pause() between {
	return between{max(k.backoff.least, k.requested.least), max(k.backoff.most, k.requested.most)}
}

// model judges a cache by what its users can see: calls of its fetch function, results of its
// methods, and Status. It knows the cache's promises and nothing of how they are kept. A step is
// everything between two states in which all goroutines are blocked. It has one cause, such as a
// call, or a fetch that returns.
type model struct {
	options settings
	origin  time.Time
	now     instant
	step    int
	keys    []*keyModel
	tokens  map[string]*fetch // by name and expiry
	open    []*call           // have not returned before this step

	invalidated map[string]int // the step in which a token was invalidated
	violation   string         // the promise that the cache broke
	log         []line
}

// line is one line of the log. It is formatted only if somebody reads it.
type line struct {
	at     instant
	format string
	args   []any
}

// tell adds a line to the log.
func (m *model) tell(format string, args ...any) {
	m.log = append(m.log, line{m.now, format, args})
}

// broken records that the cache broke a promise. Only the first one counts.
func (m *model) broken(promise, format string, args ...any) {
	if m.violation == "" {
		m.violation = promise
		m.tell("BROKEN: %s: %s", promise, fmt.Sprintf(format, args...))
	}
}

func (m *model) key(name string) *keyModel {
	return m.keys[slices.IndexFunc(m.keys, func(k *keyModel) bool { return k.name == name })]
}

// begin records that c is about to be made.
func (m *model) begin(c *call) {
	k := m.key(c.key)
	c.began, c.beganAt, c.held, c.good, c.poor = m.step, m.now, k.held, k.worth(m.now), k.poor(m.now)
	m.open = append(m.open, c)
}

// invalidate drops the token. Fetches in flight no longer count, because they could bring it back.
func (m *model) invalidate(token string) {
	m.invalidated[token] = m.step
	for _, k := range m.keys {
		if k.held == nil || k.held.name != token {
			continue
		}
		k.held, k.refused, k.disowned, k.disownedAt = nil, no, m.step, m.now
		for _, f := range k.flying {
			f.counts = false
		}
	}
}

// refuse marks the token as one that callers get only if there is no better one.
func (m *model) refuse(token string) {
	for _, k := range m.keys {
		if k.held == nil || k.held.name != token {
			continue
		}
		if k.refusedAt == 0 || m.now-k.refusedAt > 2*time.Minute {
			k.refused = yes
		}
		k.refused = max(k.refused, maybe)
		k.refusedAt, k.disowned, k.disownedAt = m.now, m.step, m.now
	}
}

// seen is what was seen in one step.
type seen struct {
	started, landed []*fetch // landed: returned or abandoned
	prefetched      string   // the key
	racing          bool     // calls ran while a fetch returned
	status          []cache.Status[string]
}

// shows reports whether Status shows a token for the key.
func (s seen) shows(key string) bool {
	return slices.ContainsFunc(s.status, func(one cache.Status[string]) bool { return one.Key == key && !one.ExpiresOn.IsZero() })
}

// judge judges a step and begins the next one.
//
//revive:disable-next-line:cyclomatic // a list of promises
func (m *model) judge(s seen) {
	before := map[string]bool{} // keys with a fetch in flight, which excuses not starting another
	for _, k := range m.keys {
		before[k.name] = k.counting() != nil || k.challenge() != nil
	}
	for _, f := range s.landed {
		m.land(f)
	}
	for _, f := range s.started {
		m.judgeStart(f, s)
		k := m.key(f.key)
		f.failures, f.counts = k.failures, true
		k.flying = append(k.flying, f)
	}
	for _, c := range m.open {
		switch {
		case c.returned && c.err != nil:
			m.judgeError(c, m.bounded() && !s.shows(c.key))
		case c.returned:
			m.judgeToken(c)
			if c.get() && c.began == m.step && c.live && c.good && !s.racing {
				m.judgeNoStart(m.key(c.key), before, s)
			}
		default:
			m.judgeWait(c)
		}
	}
	if s.prefetched != "" {
		m.judgeNoStart(m.key(s.prefetched), before, s)
	}
	m.open = slices.DeleteFunc(m.open, func(c *call) bool { return c.returned })
	m.judgeStatus(s)
	m.step++
}

// land applies the outcome of a fetch.
func (m *model) land(f *fetch) {
	f.landed = m.step
	k, now := m.key(f.key), f.landedAt
	k.flying = slices.DeleteFunc(k.flying, func(other *fetch) bool { return other == f })
	if f.abandoned || f.expiresOn <= now {
		m.fail(k, f)
		return
	}
	if f.plain() {
		f.stored = f.counts
	} else {
		f.stored = (k.answered == nil || k.answered.id < f.id) && m.invalidated[f.name] <= f.step
	}
	if !f.stored {
		return
	}
	if k.refused != no && k.held != nil && k.held.name == f.name {
		k.refused = maybe // the same token once more
	} else {
		k.refused = no
	}
	k.held = f
	wait := (f.expiresOn - now) / 2
	if 0 < f.refreshIn && now+f.refreshIn < f.expiresOn {
		wait = f.refreshIn
	}
	f.stale = between{now + wait - wait/4 - 1, now + wait}
	if f.id > k.longest {
		k.requested.least = 0 // f is newer than the pause, so it may end it
	}
	k.backoff.least, k.failures.least = 0, 0
	if f.plain() {
		k.backoff = between{}
		if f.id > k.latest {
			k.failures.most = 0
		}
		return
	}
	k.answered = f
	for _, older := range k.flying {
		older.counts = false // superseded
	}
}

// fail records a failure: the requested pause, or else the back-off of a plain fetch that counts.
func (m *model) fail(k *keyModel, f *fetch) {
	counts := f.plain() && f.counts
	if counts {
		k.failed = m.step
	}
	if !f.plain() {
		k.failedChallenges = append(k.failedChallenges, f)
	}
	failures := count{min(k.failures.least, f.failures.least) + 1, max(k.failures.most, f.failures.most) + 1}
	now := f.landedAt
	if pause := f.requests(); pause > 0 {
		pause = min(pause, mostRequested)
		if until := now + pause; until > k.requested.least {
			k.requested.least, k.longest = until, f.id
		}
		k.latest = max(k.latest, f.id)
		k.requested.most = max(k.requested.most, now+min(pause+pause/5+1, mostRequested))
		k.backoff.least, k.failures.most = 0, failures.most
		if counts {
			k.failures.least = failures.least
		}
		return
	}
	if !counts {
		return
	}
	k.failures = failures
	pause, since := m.options.backoff.between(f, failures), now
	if f.abandoned { // abandoned at some time in between
		since = f.startedAt + m.options.timeout
	}
	k.backoff = between{since + pause.least, saturated(now, pause.most)}
}

// saturated adds a duration that may be huge.
func saturated(t instant, d time.Duration) instant {
	if d > never-t {
		return never
	}
	return t + d
}

// judgeStart judges the start of f, which is not yet among its key's flights.
//
//revive:disable-next-line:cyclomatic // a list of promises
func (m *model) judgeStart(f *fetch, s seen) {
	k := m.key(f.key)
	asked := f.plain() && s.prefetched == f.key || slices.ContainsFunc(m.open, func(c *call) bool { return f.answers(c) && c.live })
	if !asked {
		m.broken("no fetch starts unless somebody asks", "%s started", f)
	}
	if !f.plain() {
		if f.startedAt < k.requested.least {
			m.broken("no fetch starts inside a requested pause", "%s started, the pause lasts until %s", f, k.requested.least)
		}
		if other := k.find(func(g *fetch) bool { return g.claims == f.claims && g.step > k.disowned }); other != nil {
			m.broken("equal challenges share a fetch", "%s started beside %s", f, other)
		}
		if h := k.held; k.worth(f.startedAt) && h.claims == f.claims && h.step > k.disowned && f.startedAt-h.landedAt < sameChallenge {
			m.broken("equal challenges share an answer for 5 s", "%s started, %s answered at %s", f, h, h.landedAt)
		}
		return
	}
	if other := k.counting(); other != nil {
		m.broken("at most one plain fetch per key is in flight", "%s started beside %s", f, other)
	}
	if f.startedAt < k.requested.least {
		m.broken("no fetch starts inside a requested pause", "%s started, the pause lasts until %s", f, k.requested.least)
	}
	if f.startedAt < k.backoff.least {
		m.broken("no plain fetch starts during back-off", "%s started, back-off lasts until %s", f, k.backoff.least)
	}
	if k.worth(f.startedAt) && f.startedAt < k.held.stale.least {
		m.broken("a fresh token causes no fetch", "%s started, the token is fresh until %s", f, k.held.stale.least)
	}
}

// judgeNoStart judges a stale hit or a Prefetch that may have had to start a fetch.
func (m *model) judgeNoStart(k *keyModel, before map[string]bool, s seen) {
	needed := k.poor(m.now) || m.now >= k.held.stale.most
	started := slices.ContainsFunc(s.started, func(f *fetch) bool { return f.key == k.name && f.plain() })
	if needed && !started && !before[k.name] && m.now >= k.pause().most {
		m.broken("a stale hit and Prefetch start a refresh", "none started for %s", k.name)
	}
}

// failure reports whether c can have seen a failure of its key: one since it began, or a remembered
// one while there is no fetch to wait for.
func (m *model) failure(c *call) bool {
	k := m.key(c.key)
	return k.failed >= c.began || k.counting() == nil && c.returnedAt < k.pause().most
}

// judgeToken judges a token that c returned.
func (m *model) judgeToken(c *call) {
	k, at := m.key(c.key), c.returnedAt
	f := m.tokens[tokenID(c.token.Token, m.since(c.token.ExpiresOn))]
	if f == nil || f.key != c.key {
		m.broken("a token is one that was fetched for its key", "%s returned %q", c, c.token.Token)
		return
	}
	if at >= f.expiresOn {
		m.broken("no expired token is returned", "%s returned %s, which expired at %s", c, f.name, f.expiresOn)
	}
	if when := m.invalidated[f.name]; f.step < when && when < c.began {
		m.broken("no token invalidated before the call is returned", "%s returned %s", c, f.name)
	}
	switch {
	case !c.get():
		if f.claims != c.claims || f.landed < c.began && c.beganAt-f.landedAt >= sameChallenge {
			m.broken("Renew returns the answer to its own challenge", "%s returned that of %s", c, f)
		}
	case f == c.held:
		if c.poor && !m.failure(c) {
			m.broken("a token in its last seconds or refused is returned only after a failure", "%s returned %s", c, f.name)
		}
	case !f.stored || f.landed < c.began:
		m.broken("no older answer is returned over a newer one", "%s returned %s", c, f.name)
	}
	m.judgeRefreshOn(c, k, f)
}

// judgeRefreshOn judges the RefreshOn of a copy of f's token that c returned.
func (m *model) judgeRefreshOn(c *call, k *keyModel, f *fetch) {
	at, got := c.returnedAt, m.since(c.token.RefreshOn)
	if got <= at && (f.stored || !c.token.RefreshOn.IsZero()) {
		m.broken("RefreshOn lies in the future", "%s returned RefreshOn %s", c, got)
	}
	if !f.stored || f != k.held || k.refused != no {
		return
	}
	if at >= min(f.stale.most, f.finalFrom()) && got < min(at+time.Second, f.expiresOn) {
		m.broken("the RefreshOn of a stale token is at least a second ahead", "%s returned RefreshOn %s", c, got)
	}
	if at < min(f.stale.least, f.finalFrom()) {
		if got < f.stale.least || got > f.stale.most {
			m.broken("RefreshOn is what the fetch says, up to a quarter earlier", "%s returned %s, not within %v", c, got, f.stale)
		}
		f.stale = between{got, got}
	}
}

// judgeError judges an error that c returned. evicted reports that its key's token may have been
// evicted in this step.
//
//revive:disable-next-line:cyclomatic // a list of promises
func (m *model) judgeError(c *call, evicted bool) {
	k := m.key(c.key)
	var failed *fetchError
	if errors.As(c.err, &failed) {
		if f := failed.fetch; f.key != c.key || !f.answers(c) && c.returnedAt >= k.requested.most && c.ctx.Err() == nil {
			m.broken("an error is about the caller's own request", "%s returned that of %s", c, f)
		}
	}
	if c.get() && c.good && k.worth(c.returnedAt) {
		m.broken("no call fails while a valid token is held", "%s: %v", c, c.err)
	}
	if c.ctx.Err() != nil {
		return
	}
	if !c.get() {
		answered := slices.ContainsFunc(k.failedChallenges, func(f *fetch) bool {
			return f.claims == c.claims && (f.landed >= c.began || c.beganAt-f.landedAt < sameChallenge)
		})
		if !answered && c.returnedAt >= k.requested.most {
			m.broken("Renew fails only if its own challenge did", "%s: %v", c, c.err)
		}
		return
	}
	if k.held != nil && c.returnedAt < k.held.expiresOn && !evicted {
		m.broken("the old token is returned if the fetch fails", "%s: %v", c, c.err)
	}
	if !m.failure(c) {
		m.broken("Get fails only if a plain fetch that counts did", "%s: %v", c, c.err)
	}
}

// judgeWait judges a call that has not returned.
func (m *model) judgeWait(c *call) {
	k := m.key(c.key)
	if c.ctx.Err() != nil {
		m.broken("every call returns when its context ends", "%s waits", c)
	}
	if !c.get() {
		if k.find(func(f *fetch) bool { return f.answers(c) }) == nil {
			m.broken("Renew waits for nothing but its own challenge", "%s waits", c)
		}
		return
	}
	if k.worth(m.now) {
		m.broken("nobody waits while a valid token is held", "%s waits beside %s", c, k.held.name)
	}
	if k.failed > c.began {
		m.broken("a failure reaches everybody who waits", "%s waits", c)
	}
	if k.counting() == nil {
		m.broken("nobody waits for what does not count", "%s waits, in flight: %v", c, k.flying)
	}
}

// judgeStatus compares Status with what the cache must hold. Evictions show only there, so the
// model accepts those that the bound allows.
//
//revive:disable-next-line:cyclomatic // a list of promises
func (m *model) judgeStatus(s seen) {
	status := map[string]cache.Status[string]{}
	tokens, expired := 0, false
	for _, one := range s.status {
		status[one.Key] = one
		if !one.ExpiresOn.IsZero() {
			tokens++
			expired = expired || m.since(one.ExpiresOn) <= m.now && !one.InFlight
		}
	}
	flying := 0
	for _, k := range m.keys {
		flying += len(k.flying)
		one, ok := status[k.name]
		shown := m.since(one.ExpiresOn)
		switch {
		case k.held == nil && !one.ExpiresOn.IsZero():
			m.broken("the key holds no token that was invalidated or superseded", "Status shows one of %s that expires at %s", k.name, shown)
		case k.held == nil || !one.ExpiresOn.IsZero() && shown == k.held.expiresOn:
		case !one.ExpiresOn.IsZero():
			m.broken("the key holds the newest answer", "Status shows a token of %s that expires at %s, not %s, which expires at %s",
				k.name, shown, k.held.name, k.held.expiresOn)
		case m.now >= k.held.expiresOn:
			k.held = nil
		case !m.bounded() || len(s.landed) == 0 || tokens < m.options.maxTokens || expired && len(s.landed) == 1:
			m.broken("a valid token is evicted only at the bound, after expired ones", "%s is gone", k.held.name)
		default:
			m.tell("%s is evicted", k.held.name)
			k.held = nil
		}
		if m.bounded() && !ok { // evicted, so its failures are forgotten
			k.backoff.least, k.requested.least, k.failures.least = 0, 0, 0
		}
		if busy := k.counting() != nil || k.challenge() != nil; busy && !one.InFlight || one.InFlight && len(k.flying) == 0 {
			m.broken("Status shows fetches in flight", "%s: %v, in flight: %v", k.name, one.InFlight, k.flying)
		}
		next := m.since(one.NextAttempt)
		if one.NextAttempt.IsZero() {
			next = m.now
		}
		if pause := k.pause(); next < pause.least || next > max(m.now, pause.most) {
			m.broken("Status shows the next attempt", "%s: %s, not within %v", k.name, next, pause)
		}
	}
	if flying == 0 && (tokens > m.options.maxTokens || len(s.status) > 2*m.options.maxTokens) {
		m.broken("the bounds hold", "%d tokens, %d keys", tokens, len(s.status))
	}
}

// bounded reports whether there may be evictions.
func (m *model) bounded() bool { return m.options.maxTokens < len(m.keys) }

func (m *model) since(t time.Time) instant { return t.Sub(m.origin) }

func tokenID(name string, expiresOn instant) string { return fmt.Sprint(name, " ", int64(expiresOn)) }
