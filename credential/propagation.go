package credential

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/entrafed/entrafed/internal/hint"
)

const (
	// defaultPropagationTimeout is long enough for most new federated credentials to reach all of
	// Entra ID's directories.
	defaultPropagationTimeout = 15 * time.Second

	// maxPropagationTimeout bounds [Options.PropagationTimeout]. Nothing takes a day to propagate,
	// and a flight must end.
	maxPropagationTimeout = 24 * time.Hour

	// exchangeTimeout bounds one attempt, and a flight that makes no retries after refusals.
	exchangeTimeout = 30 * time.Second
)

// budgets limit how long refusals that usually clear up are retried. A key's budget starts with its
// first such refusal and is spent once. A refusal that outlasts it needs a fix, so each further
// exchange is one attempt, until a success resets the budget.
type budgets struct {
	length time.Duration

	mu   sync.Mutex
	ends map[key]time.Time
}

// maxBudgets bounds memory use. When there are more keys, all budgets restart.
const maxBudgets = 10_000

// budget is one key's retry budget.
type budget struct {
	all *budgets
	key key
}

func newBudgets(length time.Duration) *budgets {
	if length == 0 {
		length = defaultPropagationTimeout
	}
	return &budgets{length: length, ends: make(map[key]time.Time)}
}

func (b *budgets) of(k key) budget { return budget{b, k} }

// left returns the time left in the budget. The first call starts the budget.
func (b budget) left() time.Duration {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()
	end, ok := b.all.ends[b.key]
	if !ok {
		if len(b.all.ends) >= maxBudgets {
			clear(b.all.ends)
		}
		end = time.Now().Add(b.all.length)
		b.all.ends[b.key] = end
	}
	return time.Until(end)
}

// reset restores the whole budget.
func (b budget) reset() {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()
	delete(b.all.ends, b.key)
}

// pause returns how long to wait before another attempt is worthwhile; zero if none is.
func (c *core) pause(refused *refusedError, attempts int, b budget) time.Duration {
	e := refused.refusal
	if b.all.length < 0 || e.RetryAfter > 0 || e.StatusCode >= http.StatusInternalServerError {
		return 0 // azcore has retried server errors already
	}
	var first time.Duration
	for _, code := range e.EntraCodes {
		first = max(first, hint.Pause(code))
	}
	if first == 0 || c.tokenAtFault(refused) {
		return 0
	}
	pause := first << min(attempts-1, 4)
	// Spread the retries of pods that were rolled out, and refused, together.
	pause += rand.N(pause / 2)
	left := b.left()
	if first == hint.OverloadPause && left < first {
		return 0 // a last retry at the end of the budget would come too soon
	}
	return min(pause, left)
}

// tokenAtFault reports whether the federated token itself explains the refusal, so that waiting
// will not help: it is for Kubernetes or for the token proxy of identity bindings, or Entra ID
// issued it for a purpose other than token exchange.
func (c *core) tokenAtFault(refused *refusedError) bool {
	token := refused.token
	return token != nil &&
		(hint.FromEntra(*token) && !hint.ForExchange(*token) || hint.ForAPIServer(*token) || hint.ForTokenProxy(*token) && !c.client.TokenProxy())
}
