package exchange_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestRetries(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	defaults := policy.RetryOptions{}
	for name, row := range map[string]struct {
		reply       entratest.Reply
		times       int // how often the server gives it before it issues a token
		retry       policy.RetryOptions
		requests    int
		ok          bool
		least, most time.Duration
	}{
		"503":                         {entratest.Unavailable(0), 1, defaults, 2, true, 600 * ms, 2 * s},
		"429 without a pause":         {entratest.Throttle(0), 1, defaults, 2, true, 600 * ms, 2 * s},
		"connection reset":            {entratest.Reply{Err: errors.New("connection reset")}, 1, defaults, 2, true, 600 * ms, 2 * s},
		"503 forever":                 {entratest.Unavailable(0), 4, defaults, 4, false, s, 15 * s},
		"503, no retries":             {entratest.Unavailable(0), 1, policy.RetryOptions{MaxRetries: -1}, 1, false, 0, 0},
		"401":                         {entratest.Refuse(700213), 1, defaults, 1, false, 0, 0},
		"4 s":                         {entratest.Unavailable(4 * s), 1, defaults, 2, true, 4 * s, 4 * s},
		"5 s":                         {entratest.Throttle(5 * s), 1, defaults, 2, true, 5 * s, 5 * s},
		"6 s ends it":                 {entratest.Unavailable(6 * s), 1, defaults, 1, false, 0, 0},
		"429 with 6 s ends it":        {entratest.Throttle(6 * s), 1, defaults, 1, false, 0, 0},
		"6 s, patient user":           {entratest.Unavailable(6 * s), 1, policy.RetryOptions{MaxRetryDelay: time.Minute}, 2, true, 6 * s, 6 * s},
		"6 s, endlessly patient user": {entratest.Unavailable(6 * s), 1, policy.RetryOptions{MaxRetryDelay: -1}, 2, true, 6 * s, 6 * s},
		"4 s, impatient user":         {entratest.Unavailable(4 * s), 1, policy.RetryOptions{MaxRetryDelay: s}, 1, false, 0, 0},
		"hang, timeout per try":       {entratest.Reply{Hang: true}, 1, policy.RetryOptions{TryTimeout: 3 * s, RetryDelay: 1}, 2, true, 3 * s, 4 * s},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var entra entratest.Server
				entra.Enqueue(slices.Repeat([]entratest.Reply{row.reply}, row.times)...)
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

// Retries hide no refusal from OnRefusal.
func TestOnRefusalSeesEachTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := new(entratest.Server)
		server.Enqueue(entratest.Unavailable(0), entratest.Reply{Status: http.StatusRequestTimeout})
		client, err := exchange.NewClient(&exchange.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: server}})
		require.NoError(t, err)
		r := request()
		var statuses, codes []int
		r.OnRefusal = func(e *exchange.Error) {
			statuses, codes = append(statuses, e.StatusCode), append(codes, e.EntraCodes...)
		}
		_, err = client.Exchange(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, []int{503, 408}, statuses)
		require.Equal(t, []int{90033}, codes)
	})
}

func TestErrorReportsTheRetryAfterThatEndedTheExchange(t *testing.T) {
	for want, answer := range map[time.Duration]entratest.Reply{
		6 * time.Second: entratest.Unavailable(6 * time.Second),
		time.Hour:       entratest.Throttle(time.Hour),
	} {
		var entra entratest.Server
		entra.Enqueue(answer)
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
				assert.ErrorContains(t, err, "login.microsoftonline.com", "the error names the host")
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
