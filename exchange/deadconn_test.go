package exchange_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// relay forwards connections to a server. It can forget its connections, as a NAT gateway does:
// they stay open, but no data gets through.
type relay struct {
	mu       sync.Mutex
	lost     chan struct{} // closed to forget the connections made so far
	accepted int
}

// dial is the DialContext of an [http.Transport].
func (r *relay) dial(ctx context.Context, network, address string) (net.Conn, error) {
	server, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted++
	lost := r.lost
	forward := func(to, from net.Conn) {
		defer to.Close()
		for buffer := make([]byte, 32<<10); ; {
			n, err := from.Read(buffer)
			select {
			case <-lost:
				_, _ = io.Copy(io.Discard, from) // until the connection is closed
				return
			default:
			}
			if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
				return
			}
		}
	}
	go forward(server, far)
	go forward(far, server)
	return near, nil
}

func (r *relay) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.lost)
	r.lost = make(chan struct{})
}

// Connections that died unnoticed cost one try, however many there are.
func TestDeadConnectionsCostOneTry(t *testing.T) {
	for name, row := range map[string]struct {
		http2       bool
		connections int
	}{"HTTP/1.1": {false, 3}, "HTTP/2": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			arrived, proceed := make(chan struct{}, 9), make(chan struct{}, 9)
			server, o := serve(t, row.http2, func(w http.ResponseWriter, _ *http.Request) {
				arrived <- struct{}{}
				<-proceed
				_, _ = io.WriteString(w, success)
			})
			r := &relay{lost: make(chan struct{})}
			transport := server.Client().Transport.(*http.Transport)
			transport.DialContext, transport.MaxIdleConnsPerHost = r.dial, 9
			o.Retry = policy.RetryOptions{TryTimeout: time.Second, RetryDelay: 50 * time.Millisecond}
			c := newClient(t, o)
			// One exchange first, so that HTTP/2 has a connection to share.
			for _, atOnce := range []int{1, 3} {
				var wg sync.WaitGroup
				for range atOnce {
					wg.Go(func() {
						_, err := c.Exchange(t.Context(), request())
						assert.NoError(t, err)
					})
				}
				for range atOnce {
					<-arrived
				}
				for range atOnce {
					proceed <- struct{}{}
				}
				wg.Wait()
			}
			require.Equal(t, row.connections, r.accepted)

			r.forget()
			proceed <- struct{}{}
			tries := 0
			o.PerRetryPolicies = []policy.Policy{policyFunc(func(req *policy.Request) (*http.Response, error) {
				tries++
				return req.Next()
			})}
			_, err := exchangeAt(t, o)
			require.NoError(t, err)
			assert.Equal(t, 2, tries)
			assert.Equal(t, row.connections+1, r.accepted)
		})
	}
}

// hanging returns a transport whose first n replies never arrive or, if endless, never end.
func hanging(n int, endless bool) doFunc {
	return func(r *http.Request) (*http.Response, error) {
		if n--; n < 0 {
			return reply(200, "application/json", success), nil
		}
		if endless {
			body, end := io.Pipe()
			context.AfterFunc(r.Context(), func() { end.CloseWithError(r.Context().Err()) })
			resp := reply(200, "application/json", "")
			resp.Body = body
			return resp, nil
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
}

func TestTryTimeout(t *testing.T) {
	const s = time.Second
	for name, row := range map[string]struct {
		timeout, within, atLeast time.Duration
	}{
		"default":    {0, exchange.DefaultTryTimeout + 1100*time.Millisecond, exchange.DefaultTryTimeout},
		"the user's": {3 * s, 4100 * time.Millisecond, 3 * s},
		"longer":     {20 * s, 21100 * time.Millisecond, 20 * s},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &exchange.ClientOptions{}
				o.Transport, o.Retry.TryTimeout = hanging(1, false), row.timeout
				start := time.Now()
				token, err := newClient(t, o).Exchange(t.Context(), request())
				require.NoError(t, err)
				assert.NotEmpty(t, token.Token)
				assert.GreaterOrEqual(t, time.Since(start), row.atLeast)
				assert.Less(t, time.Since(start), row.within)
			})
		})
	}
}

func TestTryTimeoutCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &exchange.ClientOptions{}
		o.Transport, o.Retry.TryTimeout = hanging(1, false), -1
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		_, err := newClient(t, o).Exchange(ctx, request())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Hour, time.Since(start))
	})
}

// The error must not read as if the caller's own deadline had passed.
func TestTriesThatTimeOutSaySo(t *testing.T) {
	for name, row := range map[string]struct {
		endless bool
		elapsed time.Duration
	}{
		"no reply": {false, 4 * exchange.DefaultTryTimeout},
		// azcore does not retry once a reply has begun.
		"a reply that does not end": {true, exchange.DefaultTryTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &exchange.ClientOptions{}
				o.Transport, o.Retry.RetryDelay = hanging(9, row.endless), time.Nanosecond
				start := time.Now()
				_, err := newClient(t, o).Exchange(t.Context(), request())
				require.ErrorContains(t, err, "no complete reply within 10.5s: context deadline exceeded")
				assert.ErrorContains(t, err, "login.microsoftonline.com")
				assert.Equal(t, row.elapsed, time.Since(start).Round(time.Millisecond))
			})
		})
	}
}
