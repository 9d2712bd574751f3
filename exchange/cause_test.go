package exchange_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestCausesAreReached(t *testing.T) {
	cause := errors.New("the cause")
	for _, thrown := range []error{
		cause, io.ErrUnexpectedEOF, &net.OpError{Op: "dial", Net: "tcp", Err: cause},
		&url.Error{Op: "Post", URL: "https://login.microsoftonline.com/x", Err: cause}, &net.DNSError{Err: "no such host", Name: "x"},
	} {
		_, err := do(t, doFunc(func(*http.Request) (*http.Response, error) { return nil, thrown }))
		require.ErrorIs(t, err, thrown)
		assert.ErrorContains(t, err, "exchange: ")
		assert.ErrorContains(t, err, "https://login.microsoftonline.com/")
		assert.NotErrorAs(t, err, new(*exchange.Error), "no reply came")
	}
	_, err := do(t, doFunc(func(*http.Request) (*http.Response, error) { return nil, &net.DNSError{Err: "x", IsTimeout: true} }))
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
}

// A cause is still recognized after its text had to be redacted.
func TestCauseThatQuotesTheAssertionIsStillRecognized(t *testing.T) {
	for _, thrown := range []error{context.DeadlineExceeded, io.ErrUnexpectedEOF} {
		_, err := do(t, doFunc(func(*http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: "https://h/?" + assertion, Err: thrown}
		}))
		require.ErrorIs(t, err, thrown)
		assertNoSecretIn(t, err)
	}
}

// brokenOff is an error type of user code.
type brokenOff struct{ text string }

func (e *brokenOff) Error() string { return e.text }

// However long or malformed, an error of user code becomes one line, and errors.As still finds it.
func TestCauseIsOneLineOfBoundedLength(t *testing.T) {
	for _, text := range []string{"one\ntwo", "one\r\nlevel=ERROR msg=forged", "\x1b[31mred", strings.Repeat("long ", 10_000), strings.Repeat("ä\n", 10_000)} {
		thrown := &brokenOff{text}
		for name, spoil := range map[string]func(*exchange.ClientOptions){
			"transport": func(o *exchange.ClientOptions) {
				o.Transport = doFunc(func(*http.Request) (*http.Response, error) { return nil, thrown })
			},
			"body": func(o *exchange.ClientOptions) {
				o.Transport = doFunc(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: failing{thrown}}, nil
				})
			},
			"policy": func(o *exchange.ClientOptions) {
				o.PerCallPolicies = []policy.Policy{policyFunc(func(*policy.Request) (*http.Response, error) { return nil, thrown })}
			},
			"policy that replaces the body": func(o *exchange.ClientOptions) {
				o.PerRetryPolicies = []policy.Policy{policyFunc(func(*policy.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: failing{thrown}}, nil
				})}
			},
			"policy, each attempt": func(o *exchange.ClientOptions) {
				o.PerRetryPolicies = []policy.Policy{policyFunc(func(*policy.Request) (*http.Response, error) { return nil, thrown })}
			},
		} {
			o := once(nil)
			spoil(o)
			_, err := newClient(t, o).Exchange(t.Context(), request())
			found, ok := errors.AsType[*brokenOff](err)
			require.True(t, ok, name)
			assert.Same(t, thrown, found)
			assertFitToPrint(t, err.Error())
			assert.Less(t, len(err.Error()), 2400, name)
		}
	}
}

// drip is a body that yields one byte a second.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d drip) Close() error { return nil }

func TestDrippingBodyIsEndedByTheContext(t *testing.T) {
	for _, status := range []int{200, 503} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			c := newClient(t, once(doFunc(func(r *http.Request) (*http.Response, error) {
				resp := reply(status, "application/json", "")
				resp.Body = drip{r.Context()}
				return resp, nil
			})))
			start := time.Now()
			_, err := c.Exchange(ctx, request())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorAs(t, err, new(net.Error))
			assert.Equal(t, 10*time.Second, time.Since(start))
		})
	}
}

func TestConcurrentExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var entra entratest.Server
		entra.SetDelay(time.Second)
		c := newClient(t, once(&entra))
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				token, err := c.Exchange(t.Context(), request())
				assert.NoError(t, err)
				assert.Equal(t, 3598*time.Second, time.Until(token.ExpiresOn))
			})
		}
		all.Wait()
		assert.Len(t, entra.Requests(), 50)
	})
}
