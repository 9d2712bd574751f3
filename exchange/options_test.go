package exchange_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

func TestPoliciesApply(t *testing.T) {
	var perCall, perRetry int
	o := &exchange.ClientOptions{}
	o.Retry.RetryDelay = time.Nanosecond
	o.PerCallPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
		perCall++
		assert.Equal(t, "login.microsoftonline.com", r.Raw().URL.Host)
		r.Raw().Header.Set("X-Per-Call", "1")
		return r.Next()
	})}
	o.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
		perRetry++
		assert.Equal(t, "1", r.Raw().Header.Get("X-Per-Call"))
		r.Raw().Header.Set("X-Per-Retry", "2")
		return r.Next()
	})}
	o.Transport = doFunc(func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "1", r.Header.Get("X-Per-Call"))
		assert.Equal(t, "2", r.Header.Get("X-Per-Retry"))
		if perRetry == 1 {
			return reply(503, "text/plain", "busy"), nil
		}
		return reply(200, "application/json", success), nil
	})
	_, err := newClient(t, o).Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, 1, perCall)
	assert.Equal(t, 2, perRetry)
}

// Without the exchange's context, the transport would not know which secrets to keep out of
// azcore's log.
func TestPolicyThatReplacesTheContextIsRefused(t *testing.T) {
	for name, add := range map[string]func(*exchange.ClientOptions, policy.Policy){
		"once":         func(o *exchange.ClientOptions, p policy.Policy) { o.PerCallPolicies = []policy.Policy{p} },
		"each attempt": func(o *exchange.ClientOptions, p policy.Policy) { o.PerRetryPolicies = []policy.Policy{p} },
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			o := &exchange.ClientOptions{}
			o.Transport = doFunc(func(*http.Request) (*http.Response, error) {
				t.Error("a request was sent")
				return reply(200, "application/json", success), nil
			})
			add(o, policyFunc(func(r *policy.Request) (*http.Response, error) {
				calls++
				return r.WithContext(context.Background()).Next()
			}))
			_, err := newClient(t, o).Exchange(t.Context(), request())
			require.ErrorContains(t, err, "a policy replaced the request's context with one that is not derived from it")
			assert.Equal(t, 1, calls, "a retry would end the same way")
		})
	}
}

func TestPolicyMayAddToTheContext(t *testing.T) {
	o := once(always(200, "application/json", success))
	o.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
		return r.WithContext(context.WithoutCancel(r.Raw().Context())).Next()
	})}
	_, err := newClient(t, o).Exchange(t.Context(), request())
	assert.NoError(t, err)
}

func TestTokenInThePlaceOfAnOptionIsNotPrinted(t *testing.T) {
	for option, o := range map[string]*exchange.ClientOptions{
		"Authority":       {Authority: assertion},
		"Region":          {Region: assertion},
		"IdentityBinding": {IdentityBinding: &exchange.IdentityBinding{TokenProxy: assertion}},
	} {
		_, err := exchange.NewClient(o)
		require.ErrorContains(t, err, "exchange: "+option+": ")
		assertNoSecretIn(t, err)
		assertFitToPrint(t, err.Error())
	}
	for _, o := range []*exchange.ClientOptions{
		{Authority: "http://" + assertion + "/"},
		{IdentityBinding: &exchange.IdentityBinding{TokenProxy: "https://proxy.example", CAFile: "/" + assertion}},
	} {
		_, err := exchange.NewClient(o)
		require.Error(t, err)
		assertNoSecretIn(t, err)
	}
}

func TestHeadersFromTheContextAreSent(t *testing.T) {
	c := newClient(t, once(doFunc(func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "yes", r.Header.Get("X-Of-Context"))
		return reply(200, "application/json", success), nil
	})))
	ctx := policy.WithHTTPHeader(t.Context(), http.Header{"X-Of-Context": {"yes"}})
	_, err := c.Exchange(ctx, request())
	assert.NoError(t, err)
}

func TestAPIVersionIsIgnored(t *testing.T) {
	o := &exchange.ClientOptions{}
	o.APIVersion = "2024-01-01"
	r, text := sent(t, o, request())
	assert.Empty(t, r.URL.RawQuery)
	assert.NotContains(t, text, "2024-01-01")
}

func TestOptionsAreNotChanged(t *testing.T) {
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return reply(200, "application/json", success), nil
	})}
	o := &exchange.ClientOptions{}
	o.APIVersion = "2024-01-01"
	o.Logging.IncludeBody = true
	o.Transport = client
	_, err := newClient(t, o).Exchange(t.Context(), request())
	require.NoError(t, err)
	assert.Equal(t, "2024-01-01", o.APIVersion)
	assert.True(t, o.Logging.IncludeBody)
	assert.Zero(t, o.Retry)
	assert.Empty(t, o.Authority)
	assert.Same(t, client, o.Transport)
	assert.Nil(t, client.CheckRedirect)
}

// Later changes to the options do not reach the client.
func TestOptionsAreCopied(t *testing.T) {
	o := once(always(200, "application/json", success))
	c := newClient(t, o)
	o.Transport, o.Authority = nil, "http://elsewhere.example"
	_, err := c.Exchange(t.Context(), request())
	assert.NoError(t, err)
}

func TestTypedNilTransportIsNoTransport(t *testing.T) {
	o := &exchange.ClientOptions{}
	o.Transport = (*http.Client)(nil)
	_, err := exchange.NewClient(o)
	assert.NoError(t, err)
}

// An *http.Client keeps all settings except its redirect policy.
func TestHTTPClientKeepsItsSettings(t *testing.T) {
	jar := &jar{}
	client := &http.Client{Jar: jar, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return reply(200, "application/json", success), nil
	})}
	_, err := do(t, client)
	require.NoError(t, err)
	assert.Equal(t, 1, jar.calls)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
