package kafka_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/examples/azuresdk/kafka"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// reach makes a client connect to the fake and trust it. The rest of its TLS configuration stays.
func reach(p *pod.Pod, s *server, options []kgo.Opt) []kgo.Opt {
	client, err := kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	config := client.OptValue(kgo.DialTLSConfig).(*tls.Config).Clone()
	config.RootCAs = p.CA.Pool()
	dial := func(_ context.Context, _, address string) (net.Conn, error) {
		config := config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
		return tls.Client(s.dial(), config), nil
	}
	return append(options, kgo.DialTLSConfig(nil), kgo.Dialer(dial))
}

func ExampleOptions() {
	p := pod.New() // replaces Azure
	defer p.Close()
	broker := serve(p)

	options, err := kafka.Options("shop.servicebus.windows.net", p.Credential())
	if err != nil {
		panic(err)
	}
	client, err := kgo.NewClient(reach(p, broker, options)...)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	fmt.Println(client.Ping(context.Background()))
	// Output:
	// <nil>
}

// bubble runs a test in a synctest bubble, with a kubelet that rotates the federated token.
func bubble(t *testing.T, test func(t *testing.T, p *pod.Pod, s *server, client *kgo.Client)) {
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
		options, err := kafka.Options(host, p.Credential())
		require.NoError(t, err)
		client, err := kgo.NewClient(append(reach(p, s, options), kgo.RequestRetries(0))...)
		require.NoError(t, err)
		test(t, p, s, client)
		client.Close()
	})
}

// The server closes a connection when its token expires. A connection in use signs in again before
// that.
func TestConnectionsSignInAgain(t *testing.T) {
	bubble(t, func(t *testing.T, p *pod.Pod, s *server, client *kgo.Client) {
		for start := time.Now(); time.Since(start) < 4*time.Hour; time.Sleep(time.Second) {
			require.NoError(t, client.Ping(t.Context()))
		}

		connections, dropped, tokens := s.seen()
		assert.Zero(t, dropped)
		assert.Less(t, connections, 3, "one to the seed and one to the broker that it returned")
		assert.Greater(t, len(tokens), 4, "a token lives for an hour")
		assert.GreaterOrEqual(t, p.Exchanges(), len(slices.Compact(tokens)), "they come from the credential")
	})
}

// If the server does not report the session's lifetime, the client loses the connection when the
// token expires, and reconnects with a new token.
func TestServerThatReportsNoSessionLifetime(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pod.Pod, s *server, client *kgo.Client) {
		s.silent = true
		for start := time.Now(); time.Since(start) < 8*time.Hour; time.Sleep(10 * time.Second) {
			require.NoError(t, client.Ping(t.Context()))
		}

		connections, dropped, _ := s.seen()
		assert.GreaterOrEqual(t, dropped, 7)
		assert.LessOrEqual(t, connections, dropped+2)
	})
}

func TestRefusalOfEntra(t *testing.T) {
	bubble(t, func(t *testing.T, p *pod.Pod, s *server, client *kgo.Client) {
		p.Entra.SetReply(new(entratest.Refuse(700016)))

		err := client.Ping(t.Context())

		var refusal *exchange.Error
		require.ErrorAs(t, err, &refusal)
		_, _, tokens := s.seen()
		assert.Empty(t, tokens)
	})
}

// The scope of Event Hubs' other protocols does not work with Kafka.
func TestRefusalOfTheNamespace(t *testing.T) {
	bubble(t, func(t *testing.T, p *pod.Pod, s *server, client *kgo.Client) {
		s.verifier = p.Verifier("https://eventhubs.azure.net")

		err := client.Ping(t.Context())

		require.ErrorIs(t, err, kerr.SaslAuthenticationFailed)
		assert.NotContains(t, err.Error(), "eyJhbGciOi")
	})
}

func TestNamespaceMustBeAHost(t *testing.T) {
	const secret = "SharedAccessKey=c2VjcmV0"
	for _, namespace := range []string{
		"", "https://" + host, host + "/", host + ":9093", "user@" + host, "a b", "Endpoint=sb://" + host + "/;" + secret,
	} {
		_, err := kafka.Options(namespace, nil)
		require.ErrorContains(t, err, "is not a host", namespace)
		assert.NotContains(t, err.Error(), secret)
	}
}
