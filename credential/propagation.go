package credential

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/aadsts"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/tokenfile"
)

const (
	// defaultPropagationTimeout covers most of what Entra ID's directories take to agree on a new federated credential.
	defaultPropagationTimeout = 15 * time.Second

	// exchangeTimeout bounds one attempt, and a flight as far as retries after refusals do not make it longer.
	exchangeTimeout = 30 * time.Second
)

// outages remembers, by key, until when refusals that may pass by themselves are retried. A key's budget starts with the
// first such refusal and is spent once: what has not passed by then is broken, and each further exchange is one attempt,
// until a success arms the budget again.
type outages struct {
	budget time.Duration

	mu   sync.Mutex
	ends map[key]time.Time
}

// maxOutages bounds the memory; beyond it all budgets are armed again.
const maxOutages = 10_000

// outage is one key's.
type outage struct {
	all *outages
	key key
}

func newOutages(budget time.Duration) *outages {
	if budget == 0 {
		budget = defaultPropagationTimeout
	}
	return &outages{budget: budget, ends: make(map[key]time.Time)}
}

func (o *outages) of(k key) outage { return outage{o, k} }

// left returns what is left of the budget, which starts now if it has not.
func (o outage) left() time.Duration {
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	end, ok := o.all.ends[o.key]
	if !ok {
		if len(o.all.ends) >= maxOutages {
			clear(o.all.ends)
		}
		end = time.Now().Add(o.all.budget)
		o.all.ends[o.key] = end
	}
	return time.Until(end)
}

// over arms the budget again.
func (o outage) over() {
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	delete(o.all.ends, o.key)
}

// pause returns how long to wait before the exchange is worth another attempt; zero if it is not.
func (c *Credential) pause(err error, assertion string, attempts int, outage outage) time.Duration {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || c.outages.budget < 0 || e.RetryAfter > 0 || e.StatusCode >= http.StatusInternalServerError {
		return 0 // a server error has been retried below, by azcore
	}
	var first time.Duration
	for _, code := range e.EntraCodes {
		first = max(first, aadsts.Pause(code))
	}
	if first == 0 || c.explains(assertion) {
		return 0
	}
	pause := first << min(attempts-1, 4)
	pause += rand.N(pause / 2) // pods that were rolled out together were refused together
	return min(pause, outage.left())
}

// explains tells whether the federated token itself is why it was refused, so that time will not help: it is for Kubernetes,
// or for the token proxy of identity bindings, or from Entra ID.
func (c *Credential) explains(assertion string) bool {
	token, err := tokenfile.Parse(assertion)
	if err != nil {
		return false
	}
	return hint.FromEntra(token) || hint.ForAPIServer(token) || hint.ForTokenProxy(token) && !c.binding
}

// stale tells whether the refusal may be of a federated token that has been replaced since it was read.
func stale(err error) bool {
	e, ok := errors.AsType[*exchange.Error](err)
	return ok && slices.ContainsFunc(e.EntraCodes, aadsts.StaleAssertion)
}
