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

// plan describes one simulation.
type plan struct {
	pods     int
	rollout  time.Duration // in which the pods start, evenly
	duration time.Duration
	outages  []outage
	limit    int // requests per minute that the endpoint serves
	// busy is the percentage of pods that always have traffic. The others have some every one to
	// ten minutes.
	busy int

	lifetime  time.Duration // of access tokens
	refreshIn time.Duration // refresh_in of the endpoint; 0 for none, as with tokens of an hour
	retries   int32         // setting for azcore's HTTP retries; 0 for none
}

// scopes are the scopes that pods ask for: the first pod one, the second two, the third three, and
// so on.
var scopes = []string{"https://vault.azure.net/.default", "https://storage.azure.com/.default", "https://management.azure.com/.default"}

func scopesOf(pod int) []string { return scopes[:pod%len(scopes)+1] }

func (p plan) keys() (n int) {
	for pod := range p.pods {
		n += len(scopesOf(pod))
	}
	return n
}

// token returns the endpoint's reply, with an access token of a usual size.
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
		like, err := entratest.NewPod(t.TempDir(), &entratest.PodOptions{Token: entratest.TokenRequest{Lifetime: p.duration + time.Hour}})
		require.NoError(t, err)
		c = newCensus(p)
		options := credential.Options{ClientID: like.ClientID, TenantID: like.TenantID}
		options.Assertion = func(context.Context) (string, error) { return like.Projection.Token(), nil }
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

// pod is one workload with its own credential.
type pod struct {
	plan   plan
	census *census
	scopes []string
	busy   bool
	tokens [3]azcore.AccessToken // the last token for each scope
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
		// On the second: pods that run at the same instant use all processors.
		time.Sleep(time.Until(next))
	}
}

// visit does work that needs a token for every scope.
func (p *pod) visit(ctx context.Context, c *credential.Credential) {
	p.failed = false
	for i, scope := range p.scopes {
		called := time.Now()
		token, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		p.census.call(p.tokens[i], token, time.Since(called), err)
		if err != nil {
			p.failed = true
			continue
		}
		p.tokens[i] = token
	}
}

// pause returns the time to the next visit. A pod that always has traffic asks exactly when a
// refresh is due. Its earlier calls are hits, which need no simulation.
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
			due = soon // a refresh has just started, or the endpoint is down
		}
		pause = min(pause, due)
	}
	return pause
}

// exchanged receives every finished exchange.
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
