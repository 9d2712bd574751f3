package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
)

const window = 1000

// insert requests n keys, 1,000 scopes in each tenant, and returns the cost per key of the first
// and the last thousand. The endpoint's share is the same for every candidate and every key.
func insert(tb testing.TB, cred azcore.TokenCredential, n int) (first, last time.Duration) {
	costs := make([]time.Duration, n)
	for i := range costs {
		options := policy.TokenRequestOptions{
			Scopes:   []string{numbered(i % 1000)},
			TenantID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i/1000),
		}
		start := time.Now()
		_, err := cred.GetToken(context.Background(), options)
		costs[i] = time.Since(start)
		if err != nil {
			require.NoError(tb, err)
		}
	}
	return median(costs[:window]), median(costs[n-window:])
}

// insertion grows a cache. azidentity gets a tenth of the keys, because its cost grows with each
// key.
var insertion = situation{
	title: "a new key's whole cost, first and last 1,000 keys", goal: "100,000 keys without quadratic growth",
	onlySignIn: true,
	run: func(t *testing.T, c candidate) outcome {
		n := 100_000
		if c.name == azid.name {
			n = 10_000
		}
		first, last := insert(t, c.open(t, at(t, new(quick))), n)
		growth[c.name] = float64(last) / float64(first)
		return outcome{fmt.Sprintf("%s → %s of %d", short(first), short(last), n), 0}
	},
	check: func(t *testing.T, _, _ outcome) { require.Less(t, growth[ours.name], 10.0) }, // quadratic: 100
}

// growth is the ratio of the last key's cost to the first key's.
var growth = map[string]float64{}

// eviction measures a cache at its bound, where each new key evicts an old one.
var eviction = situation{
	title: "the same, at most 10,000 tokens held", goal: "the same; 10,000 held",
	onlySignIn: true,
	run: func(t *testing.T, c candidate) outcome {
		if c.name == azid.name {
			return outcome{text: "no bound"}
		}
		p := at(t, new(quick))
		p.maxTokens = 10_000
		cred := c.open(t, p)
		first, last := insert(t, cred, 100_000)
		growth["eviction"] = float64(last) / float64(first)
		held := len(cred.(*credential.Credential).Status())
		require.LessOrEqual(t, held, 10_000)
		return outcome{fmt.Sprintf("%s → %s of 100000, %d held", short(first), short(last), held), 0}
	},
	check: func(t *testing.T, _, _ outcome) { require.Less(t, growth["eviction"], 10.0) },
}
