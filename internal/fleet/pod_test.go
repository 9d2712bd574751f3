package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// plan is one simulation.
type plan struct {
	pods     int
	rollout  time.Duration // in which they start, evenly
	duration time.Duration
	outages  []outage
	limit    int // requests per minute that the endpoint serves
	busy     int // percentage of pods that always have traffic; the others have some every minute to ten

	lifetime  time.Duration // of access tokens
	refreshIn time.Duration // as the endpoint tells it; 0: not at all, as for tokens of an hour
	retries   int32         // of azcore in one exchange; 0 is its default, 3
}

// scopes that pods ask for: the first has one, the next two, the next three, and so on.
var scopes = []string{"https://vault.azure.net/.default", "https://storage.azure.com/.default", "https://management.azure.com/.default"}

func scopesOf(pod int) []string { return scopes[:pod%len(scopes)+1] }

func (p plan) keys() (n int) {
	for pod := range p.pods {
		n += len(scopesOf(pod))
	}
	return n
}

// token is the endpoint's reply, with an access token of a usual size.
func (p plan) token() string {
	refreshIn := ""
	if p.refreshIn > 0 {
		refreshIn = fmt.Sprintf(`"refresh_in":%d,`, p.refreshIn/time.Second)
	}
	return fmt.Sprintf(`{"token_type":"Bearer","expires_in":%d,%s"access_token":"%s"}`, p.lifetime/time.Second, refreshIn, strings.Repeat("opaque.", 200))
}

// run simulates p.
func (p plan) run(t *testing.T) *census {
	var c *census
	synctest.Test(t, func(t *testing.T) {
		cluster := new(entratest.Cluster)
		assertion, err := cluster.Token(entratest.TokenRequest{Lifetime: p.duration + time.Hour})
		require.NoError(t, err)
		c = newCensus(p)
		options := credential.Options{ClientID: "11111111-2222-4333-8444-555555555555", TenantID: "contoso"}
		options.Assertion = func(context.Context) (string, error) { return assertion, nil }
		options.Transport = newEndpoint(p, c)
		options.Retry.MaxRetries = p.retries
		var group sync.WaitGroup
		for i := range p.pods {
			group.Go(func() {
				time.Sleep(p.rollout * time.Duration(i) / time.Duration(p.pods))
				(&pod{plan: p, census: c, scopes: scopesOf(i), busy: i*37%100 < p.busy}).live(t, options)
			})
		}
		group.Wait()
	})
	return c
}

// pod is one workload with a credential of its own.
type pod struct {
	plan   plan
	census *census
	scopes []string
	busy   bool
	tokens [3]azcore.AccessToken // the last of each scope
	failed bool                  // in the last visit

	mu   sync.Mutex
	last map[string]time.Duration // when each scope's last exchange succeeded
}

func (p *pod) live(t *testing.T, options credential.Options) {
	p.last = make(map[string]time.Duration)
	options.OnExchange = p.exchanged
	c, err := credential.New(&options)
	if err != nil {
		t.Error(err)
		return
	}
	for p.census.elapsed() < p.plan.duration {
		p.visit(t.Context(), c)
		next := time.Now().Add(p.pause()).Truncate(time.Second).Add(time.Second)
		time.Sleep(time.Until(next)) // on the second: pods that run at one instant run on all processors
	}
}

// visit is a piece of work that needs a token for every scope.
func (p *pod) visit(ctx context.Context, c *credential.Credential) {
	p.failed = false
	for i, scope := range p.scopes {
		asked := time.Now()
		token, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		p.census.call(p.tokens[i], token, time.Since(asked), err)
		if err != nil {
			p.failed = true
			continue
		}
		p.tokens[i] = token
	}
}

// pause is the time to the next visit. A pod that always has traffic asks at the very moment a refresh is due: all that it
// asks before are hits, which need no simulation.
func (p *pod) pause() time.Duration {
	soon := 10*time.Second + rand.N(10*time.Second)
	if p.failed {
		return soon
	}
	pause := time.Minute + rand.N(9*time.Minute)
	if !p.busy {
		return pause
	}
	for _, token := range p.tokens[:len(p.scopes)] {
		due := time.Until(token.RefreshOn)
		if due <= 0 {
			due = soon // a refresh has just begun, or the endpoint is down
		}
		pause = min(pause, due)
	}
	return pause
}

// exchanged is told of every finished exchange.
func (p *pod) exchanged(e credential.ExchangeEvent) {
	if e.Err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, scope := p.census.elapsed(), e.Scopes[0]
	for i, o := range p.plan.outages {
		if p.last[scope] < o.end && now >= o.end {
			p.census.recovery(i, now-o.end)
		}
	}
	p.last[scope] = now
}
