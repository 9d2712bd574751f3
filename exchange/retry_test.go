package exchange_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestRetries(t *testing.T) {
	for name, row := range map[string]struct {
		replies  []entratest.Reply
		retry    policy.RetryOptions
		requests int
		ok       bool
		least    time.Duration
		most     time.Duration
	}{
		"503":                        {[]entratest.Reply{entratest.Unavailable(0)}, policy.RetryOptions{}, 2, true, 600 * time.Millisecond, 2 * time.Second},
		"429 without a pause":        {[]entratest.Reply{entratest.Throttle(0)}, policy.RetryOptions{}, 2, true, 600 * time.Millisecond, 2 * time.Second},
		"connection reset":           {[]entratest.Reply{{Err: errors.New("connection reset")}}, policy.RetryOptions{}, 2, true, 600 * time.Millisecond, 2 * time.Second},
		"503 for ever":               {[]entratest.Reply{entratest.Unavailable(0), entratest.Unavailable(0), entratest.Unavailable(0), entratest.Unavailable(0)}, policy.RetryOptions{}, 4, false, time.Second, 15 * time.Second},
		"503, no retries":            {[]entratest.Reply{entratest.Unavailable(0)}, policy.RetryOptions{MaxRetries: -1}, 1, false, 0, 0},
		"401":                        {[]entratest.Reply{entratest.Refuse(700213)}, policy.RetryOptions{}, 1, false, 0, 0},
		"4 s":                        {[]entratest.Reply{entratest.Unavailable(4 * time.Second)}, policy.RetryOptions{}, 2, true, 4 * time.Second, 4 * time.Second},
		"5 s":                        {[]entratest.Reply{entratest.Throttle(5 * time.Second)}, policy.RetryOptions{}, 2, true, 5 * time.Second, 5 * time.Second},
		"6 s ends it":                {[]entratest.Reply{entratest.Unavailable(6 * time.Second)}, policy.RetryOptions{}, 1, false, 0, 0},
		"429 with 6 s ends it":       {[]entratest.Reply{entratest.Throttle(6 * time.Second)}, policy.RetryOptions{}, 1, false, 0, 0},
		"6 s, the user's patience":   {[]entratest.Reply{entratest.Unavailable(6 * time.Second)}, policy.RetryOptions{MaxRetryDelay: time.Minute}, 2, true, 6 * time.Second, 6 * time.Second},
		"6 s, endless patience":      {[]entratest.Reply{entratest.Unavailable(6 * time.Second)}, policy.RetryOptions{MaxRetryDelay: -1}, 2, true, 6 * time.Second, 6 * time.Second},
		"4 s, the user's impatience": {[]entratest.Reply{entratest.Unavailable(4 * time.Second)}, policy.RetryOptions{MaxRetryDelay: time.Second}, 1, false, 0, 0},
		"hang, time-out per try":     {[]entratest.Reply{{Hang: true}}, policy.RetryOptions{TryTimeout: 3 * time.Second, RetryDelay: time.Nanosecond}, 2, true, 3 * time.Second, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var entra entratest.Server
				entra.Enqueue(row.replies...)
				o := &exchange.ClientOptions{}
				o.Transport, o.Retry = &entra, row.retry
				start := time.Now()
				_, err := newClient(t, o).Exchange(t.Context(), request())
				assert.Equal(t, row.ok, err == nil, "%v", err)
				assert.Len(t, entra.Requests(), row.requests)
				assert.GreaterOrEqual(t, time.Since(start), row.least)
				assert.LessOrEqual(t, time.Since(start), row.most)
			})
		})
	}
}

func TestRetryAfterThatEndedItIsTold(t *testing.T) {
	for want, text := range map[time.Duration]entratest.Reply{
		6 * time.Second: entratest.Unavailable(6 * time.Second),
		time.Hour:       entratest.Throttle(time.Hour),
	} {
		var entra entratest.Server
		entra.Enqueue(text)
		assert.Equal(t, want, refused(t, &entra).RetryAfter)
	}
}

func TestRetryOptionsOfTheContextWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var entra entratest.Server
		entra.Enqueue(entratest.Unavailable(0))
		o := &exchange.ClientOptions{}
		o.Transport = &entra
		ctx := policy.WithRetryOptions(t.Context(), policy.RetryOptions{MaxRetries: -1})
		_, err := newClient(t, o).Exchange(ctx, request())
		assert.Error(t, err)
		assert.Len(t, entra.Requests(), 1)
	})
}

func TestContextEndsAHangAndAPause(t *testing.T) {
	for name, reply := range map[string]entratest.Reply{"hang": {Hang: true}, "pause": entratest.Unavailable(4 * time.Second)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var entra entratest.Server
				entra.Enqueue(reply)
				o := &exchange.ClientOptions{}
				o.Transport = &entra
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				start := time.Now()
				_, err := newClient(t, o).Exchange(ctx, request())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.ErrorContains(t, err, "login.microsoftonline.com", "the error says where")
				assert.Equal(t, 2*time.Second, time.Since(start))
			})
		})
	}
}

func TestEndedContextSendsNothing(t *testing.T) {
	var entra entratest.Server
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newClient(t, once(&entra)).Exchange(ctx, request())
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, entra.Requests())
}
