package redis_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/auth"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/examples/azuresdk/redis"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// reach makes the client connect to the fake and trust it.
func reach(p *pod.Pod, s *server, options *goredis.Options) {
	options.Dialer = func(_ context.Context, _, address string) (net.Conn, error) {
		config := options.TLSConfig.Clone()
		config.RootCAs = p.CA.Pool()
		config.ServerName, _, _ = net.SplitHostPort(address)
		return tls.Client(s.dial(), config), nil
	}
}

func ExampleOptions() {
	p := pod.New() // replaces Azure
	defer p.Close()
	cache := serve(p)

	options := redis.Options("shop.westeurope.redis.azure.net:10000", p.Credential())
	reach(p, cache, options)
	client := goredis.NewClient(options)
	defer func() { _ = client.Close() }()
	fmt.Println(client.Ping(context.Background()).Val())
	// Output:
	// PONG
}

func newClient(p *pod.Pod, s *server) *goredis.Client {
	options := redis.Options(host+":10000", p.Credential())
	reach(p, s, options)
	// A command on a closed connection fails.
	options.MaxRetries = -1
	// Maintenance notifications leak a goroutine.
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return goredis.NewClient(options)
}

// bubble runs a test in a synctest bubble, with a kubelet that rotates the federated token.
func bubble(t *testing.T, test func(t *testing.T, p *pod.Pod, s *server, client *goredis.Client)) {
	synctest.Test(t, func(t *testing.T) {
		p := pod.New()
		defer p.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var kubelet sync.WaitGroup
		defer kubelet.Wait()
		defer cancel()
		kubelet.Go(func() {
			for {
				select {
				case <-time.After(30 * time.Minute):
					assert.NoError(t, p.Projection.Rotate())
				case <-ctx.Done():
					return
				}
			}
		})
		s := serve(p)
		client := newClient(p, s)
		test(t, p, s, client)
		require.NoError(t, client.Close())
	})
}

// Over a day, and with any number of connections, no command meets a connection that the server
// closed because its token expired. Each connection signs in again before that.
func TestConnectionsSignInAgain(t *testing.T) {
	for _, pause := range []time.Duration{time.Minute, 29 * time.Minute, 70 * time.Minute} {
		bubble(t, func(t *testing.T, p *pod.Pod, s *server, client *goredis.Client) {
			for start := time.Now(); time.Since(start) < 24*time.Hour; time.Sleep(pause) {
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { assert.NoError(t, client.Ping(t.Context()).Err()) })
				}
				wg.Wait()
			}
			tokens := s.signedIn()
			if pause == time.Minute {
				assert.Greater(t, len(tokens), s.read(&s.connections), "connections sign in more than once")
			}
			slices.Sort(tokens)
			assert.LessOrEqual(t, len(slices.Compact(tokens)), p.Exchanges(), "connections share the credential's tokens")
			assert.Zero(t, s.read(&s.refused))
		})
	}
}

// A connection with a subscription is never free to sign in again.
func TestSubscriptionsAreRestored(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pod.Pod, s *server, client *goredis.Client) {
		subscription := client.Subscribe(t.Context(), "orders")
		subscription.Channel()

		time.Sleep(90 * time.Minute)

		assert.Equal(t, 1, s.read(&s.dropped))
		assert.Equal(t, 2, s.read(&s.subscribed))
		require.NoError(t, subscription.Close())
	})
}

// While Entra ID is down, connections keep their token.
func TestOutage(t *testing.T) {
	bubble(t, func(t *testing.T, p *pod.Pod, s *server, client *goredis.Client) {
		require.NoError(t, client.Ping(t.Context()).Err())
		p.Entra.SetReply(new(entratest.Unavailable(0)))
		for range 55 {
			time.Sleep(time.Minute)
			require.NoError(t, client.Ping(t.Context()).Err())
		}
		p.Entra.SetReply(nil)
		for range 60 {
			time.Sleep(time.Minute)
			require.NoError(t, client.Ping(t.Context()).Err())
		}
		assert.Zero(t, s.read(&s.refused))
	})
}

// A connection whose token was invalidated elsewhere gets its next one after the outage.
func TestOutageWithoutToken(t *testing.T) {
	bubble(t, func(t *testing.T, p *pod.Pod, _ *server, _ *goredis.Client) {
		cred, listener := p.Credential(), &listener{}
		credentials, _, err := redis.Credentials(cred).Subscribe(listener)
		require.NoError(t, err)
		_, token := credentials.BasicAuth()
		p.Entra.SetReply(new(entratest.Unavailable(0)))
		cred.Invalidate(token)
		time.Sleep(40 * time.Minute)
		require.Zero(t, listener.next.Load())

		p.Entra.SetReply(nil)
		time.Sleep(2 * time.Minute)

		assert.EqualValues(t, 1, listener.next.Load())
	})
}

func TestRefusalOfEntra(t *testing.T) {
	bubble(t, func(t *testing.T, p *pod.Pod, s *server, client *goredis.Client) {
		p.Entra.SetReply(new(entratest.Refuse(700016)))

		err := client.Ping(t.Context()).Err()

		var refusal *exchange.Error
		require.ErrorAs(t, err, &refusal)
		assert.Empty(t, s.signedIn())
	})
}

func TestRefusalOfTheCache(t *testing.T) {
	bubble(t, func(t *testing.T, p *pod.Pod, s *server, client *goredis.Client) {
		s.verifier = p.Verifier("https://another.example")

		err := client.Ping(t.Context()).Err()

		require.ErrorContains(t, err, "WRONGPASS")
		assert.NotContains(t, err.Error(), "eyJhbGciOi")
	})
}

// Subscribing twice counts as one connection. Unsubscribing stops the tokens.
func TestSubscribe(t *testing.T) {
	bubble(t, func(t *testing.T, p *pod.Pod, _ *server, _ *goredis.Client) {
		credentials, listener := redis.Credentials(p.Credential()), &listener{}
		_, _, err := credentials.Subscribe(listener)
		require.NoError(t, err)
		first, unsubscribe, err := credentials.Subscribe(listener)
		require.NoError(t, err)
		user, token := first.BasicAuth()
		assert.Regexp(t, "^[0-9a-f-]{36}$", user)
		assert.NotEqual(t, p.ClientID, user)
		assert.NotEmpty(t, token)

		time.Sleep(45 * time.Minute)
		assert.EqualValues(t, 1, listener.next.Load())

		require.NoError(t, unsubscribe())
		require.NoError(t, unsubscribe())
		time.Sleep(24 * time.Hour)
		assert.EqualValues(t, 1, listener.next.Load())
		assert.LessOrEqual(t, p.Exchanges(), 2, "without connections, nothing runs")
	})
}

type listener struct{ next atomic.Int32 }

func (l *listener) OnNext(auth.Credentials) { l.next.Add(1) }
func (l *listener) OnError(error)           {}

func TestTLSIsDemanded(t *testing.T) {
	options := redis.Options(host+":10000", nil)

	assert.NotNil(t, options.TLSConfig)
	assert.False(t, options.TLSConfig.InsecureSkipVerify)
}
