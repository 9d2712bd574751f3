package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crowdSize is the number of identities that a program acts for.
const crowdSize = 2000

// crowd is the cost of each of a program's identities.
type crowd struct {
	making      time.Duration // time to create a credential
	makingBytes uint64

	held, left uint64 // bytes of the heap: with a token, and after the identity was dropped

	hit, alone time.Duration // a cached GetToken, and that of a credential with one identity
	hitAllocs  float64
}

// crowds are measured once per process.
var crowds = map[string]crowd{}

func measureCrowd(t *testing.T, c candidate) (m crowd) {
	if measured, ok := crowds[c.name]; ok {
		return measured
	}
	entra := new(quick)
	live := func() uint64 {
		entra.discovery.ForgetRequests()
		return heap()
	}
	program, another := c.act(t, entra), identity(crowdSize)
	get(t, program.open(t, another), vault) // so that one-time costs are not counted
	before := live()
	creds := make([]azcore.TokenCredential, crowdSize)
	for i := range creds {
		creds[i] = program.open(t, identity(i))
		get(t, creds[i], vault)
	}
	m.held = (live() - before) / crowdSize

	var err error
	makeOne := func() { sinkCredential, err = program.credential(another) }
	m.making, m.makingBytes = perCall(makeOne), bytesPerCall(makeOne)
	require.NoError(t, err)

	single := c.open(t, at(t, new(quick)))
	get(t, single, vault)
	hitOf := func(cred azcore.TokenCredential) func() {
		ctx, options := context.Background(), scope(vault)
		return func() { sinkToken, sinkErr = cred.GetToken(ctx, options) }
	}
	one := hitOf(creds[crowdSize/2])
	m.hitAllocs = testing.AllocsPerRun(200, one)
	m.hit, m.alone = perCallOfEach(one, hitOf(single))
	require.NoError(t, sinkErr)

	clear(creds)
	for i := range creds {
		program.forget(identity(i))
	}
	m.left = (max(live(), before) - before) / crowdSize
	runtime.KeepAlive(program)
	crowds[c.name] = m
	return m
}

var sinkCredential azcore.TokenCredential

// ofCrowd returns a row about the crowd.
func ofCrowd(title, goal string, show func(crowd) outcome, check func(t *testing.T, us, them crowd)) situation {
	return situation{
		title: title, goal: goal,
		onlySignIn: true,
		run:        func(t *testing.T, c candidate) outcome { return show(measureCrowd(t, c)) },
		check:      func(t *testing.T, _, _ outcome) { check(t, measureCrowd(t, ours), measureCrowd(t, azid)) },
	}
}

var manyIdentities = []situation{
	firstTokens,
	ofCrowd("2,000 identities: another credential for one", "under 1 µs and 200 B",
		func(m crowd) outcome {
			return outcome{fmt.Sprintf("%s, %s", short(m.making), bytesText(m.makingBytes)), float64(m.making)}
		},
		func(t *testing.T, us, them crowd) {
			require.LessOrEqual(t, us.makingBytes, uint64(200))
			require.Greater(t, them.making, 4*us.making)
		}),
	ofCrowd("2,000 identities: memory of each, its token included", "a token and a little",
		func(m crowd) outcome { return outcome{bytesText(m.held), float64(m.held)} },
		func(t *testing.T, us, them crowd) { require.Greater(t, them.held, 2*us.held) }),
	ofCrowd("2,000 identities: cached GetToken; with only one identity", "0 allocations; less than 1.5 times as much",
		func(m crowd) outcome {
			return outcome{fmt.Sprintf("%s, %.0f allocs; %s", short(m.hit), m.hitAllocs, short(m.alone)), float64(m.hit)}
		},
		func(t *testing.T, us, them crowd) {
			require.Zero(t, us.hitAllocs)
			require.Less(t, us.hit, 2*us.alone)
			require.Greater(t, them.hit, 3*us.hit)
		}),
	ofCrowd("2,000 identities: memory that a dropped one leaves behind", "under a tenth",
		func(m crowd) outcome { return outcome{bytesText(m.left), 0} },
		func(t *testing.T, us, _ crowd) { require.Less(t, us.left, us.held/10) }),
}

// firstTokens measures how a program with 16 workers gets its first tokens.
var firstTokens = situation{
	title: "2,000 identities: first tokens, 16 at a time, endpoint 10 ms", goal: "one request for each",
	onlySignIn: true,
	run: func(t *testing.T, c candidate) outcome {
		var requests, connections atomic.Int64
		entra := new(quick)
		client := overTLS(t, map[string]http.Handler{entraHost: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			time.Sleep(10 * time.Millisecond)
			entra.ServeHTTP(w, r)
		})})
		transport := client.Transport.(*http.Transport)
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			connections.Add(1)
			return dial(ctx, network, address)
		}
		program := c.act(t, client)
		work := make(chan int)
		var workers sync.WaitGroup
		start := time.Now()
		for range 16 {
			workers.Go(func() {
				for i := range work {
					cred, err := program.credential(identity(i))
					if assert.NoError(t, err) {
						_, err = timed(t.Context(), cred, vault)
						assert.NoError(t, err)
					}
				}
			})
		}
		for i := range crowdSize {
			work <- i
		}
		close(work)
		workers.Wait()
		text := fmt.Sprintf("%s, %d requests, %d connections", short(time.Since(start)), requests.Load(), connections.Load())
		return outcome{text, float64(requests.Load())}
	},
	check: func(t *testing.T, us, them outcome) {
		require.EqualValues(t, crowdSize, us.cost)
		require.EqualValues(t, 3*crowdSize, them.cost)
	},
}
