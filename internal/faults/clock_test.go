//go:build linux

package faults_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/tokenfile"
)

// hour is a success reply for an hour with more members.
func hour(more string) *entratest.Reply {
	return reply(200, strings.Replace(success(more), "3599", "3600", 1), jsonType)
}

// The token lives for an hour; it was due for refresh long before. What a caller gets at an instant near its end, and when:
func TestExpiryBoundaries(t *testing.T) {
	const second, ns = time.Second, time.Nanosecond
	var (
		healthy = entratest.Reply{}
		slow    = entratest.Reply{Delay: 2 * second}
		refuse  = entratest.Refuse(700016)
		late    = func() entratest.Reply { r := entratest.Refuse(700016); r.Delay = 2 * second; return r }()
		hang    = entratest.Reply{Hang: true}
	)
	for _, x := range []struct {
		name  string
		at    time.Duration // from its expiry
		reply entratest.Reply
		gets  string // old, new, error
		after time.Duration
	}{
		{"a minute before", -time.Minute, healthy, "old", 0},
		{"a minute before, refused", -time.Minute, refuse, "old", 0},
		{"a minute before, hanging", -time.Minute, hang, "old", 0},
		{"just before the last seconds", -5*second - ns, healthy, "old", 0},
		{"just before the last seconds, slow", -5*second - ns, slow, "old", 0},
		{"just before the last seconds, hanging", -5*second - ns, hang, "old", 0},
		{"in the last seconds", -5 * second, healthy, "new", 0},
		{"in the last seconds, slow", -5 * second, slow, "new", 2 * second},
		{"in the last seconds, refused", -5 * second, refuse, "old", 0},
		{"in the last seconds, refused late", -5 * second, late, "old", 2 * second},
		{"in the last seconds, refused too late", -second, late, "error", 2 * second},
		{"in the last seconds, hanging", -5 * second, hang, "error", 30 * second},
		{"in the last instant", -ns, healthy, "new", 0},
		{"in the last instant, refused", -ns, refuse, "old", 0},
		{"at the expiry", 0, healthy, "new", 0},
		{"at the expiry, slow", 0, slow, "new", 2 * second},
		{"at the expiry, refused", 0, refuse, "error", 0},
		{"after it", ns, healthy, "new", 0},
		{"after it, refused", ns, refuse, "error", 0},
		{"a day after it", 24 * time.Hour, healthy, "new", 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.entra.Enqueue(*hour(""))
				old := r.must(storage)
				cached := r.must(vault)
				time.Sleep(time.Until(old.ExpiresOn.Add(x.at)))
				r.entra.Enqueue(x.reply)
				began := time.Now()
				token, err := r.get(t.Context(), storage)
				assert.InDelta(t, x.after, time.Since(began), float64(200*time.Millisecond))
				switch x.gets {
				case "old":
					require.NoError(t, err)
					assert.Equal(t, old, token)
				case "new":
					require.NoError(t, err)
					assert.NotEqual(t, old.Token, token.Token)
				default:
					explained(t, err)
				}
				again, err := r.get(ended, vault)
				if x.at < 20*time.Hour {
					require.NoError(t, err)
					assert.Equal(t, cached, again)
				}
				synctest.Wait()
				assert.Equal(t, 2, r.sent(), "one exchange, in the background or not")
				time.Sleep(landing + time.Minute)
				assert.NotEqual(t, old.Token, r.must(storage).Token, "the next attempt succeeded")
				assert.LessOrEqual(t, r.sent(), 3)
				r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
			})
		})
	}
}

// What RefreshOn becomes; the lifetime is an hour, and jitter takes up to a quarter.
func TestRefreshIn(t *testing.T) {
	const derived = 1800 // halfway
	for raw, due := range map[string]float64{
		``: derived, `null`: derived, `0`: derived, `-1`: derived, `"soon"`: derived, `true`: derived, `{}`: derived, `""`: derived,
		`3600`: derived, `3601`: derived, `86400`: derived, `1e400`: derived, `-1e400`: derived, `9223372036854775808`: derived,
		`1800`: 1800, `"1800"`: 1800, `600`: 600, `3599`: 3599, `3500`: 3500, `60`: 60, `1`: 1, `0.5`: 0.5,
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				more := ""
				if raw != "" {
					more = `,"refresh_in":` + raw
				}
				r.entra.Enqueue(*hour(more))
				began := time.Now()
				token := r.must(storage)
				assert.WithinDuration(t, began.Add(time.Hour), token.ExpiresOn, 0)
				within(t, seconds(due*0.75, due), token.RefreshOn.Sub(began), "the refresh")
				assert.Equal(t, token.RefreshOn, r.key().RefreshOn, "azcore is told the very same instant")
				time.Sleep(time.Until(token.RefreshOn) - time.Nanosecond)
				r.must(storage)
				synctest.Wait()
				assert.Equal(t, 1, r.sent(), "not before")
				time.Sleep(time.Nanosecond)
				again := r.must(storage)
				synctest.Wait()
				if token.RefreshOn.Before(token.ExpiresOn.Add(-5 * time.Second)) {
					assert.Equal(t, token, again, "stale tokens are served at once")
				}
				assert.Equal(t, 2, r.sent(), "then one exchange")
				assert.NotEqual(t, token.Token, r.must(storage).Token)
				r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
			})
		})
	}
}

// A fleet that started together does not refresh together.
func TestRefreshesAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var least, most time.Duration = lifetime, 0
		for i := range 100 {
			token := r.must(fmt.Sprintf("api://%d/.default", i))
			in := time.Until(token.RefreshOn)
			least, most = min(least, in), max(most, in)
		}
		assert.Greater(t, most-least, time.Hour, "of the 3 h that there are")
		r.finish(sinkLog, sinkSpan, sinkEvent)
	})
}

// A reply's Date is by the endpoint's clock. Only what Retry-After says in relation to it counts.
func TestClocksThatDiffer(t *testing.T) {
	at := func(skew, pause time.Duration) doFunc {
		return func(r *http.Request) (*http.Response, error) {
			theirs := time.Now().Add(skew).UTC()
			resp := response(429, "", "Date: "+theirs.Format(http.TimeFormat), "Retry-After: "+theirs.Add(pause).Format(http.TimeFormat))
			resp.Request = r
			return resp, nil
		}
	}
	throttled := want{status: 429, requests: 1, pause: seconds(60, 72), ordered: true}
	dated := func(date string) *entratest.Reply { return reply(200, success(""), "Date: "+date) }
	day := func(skew time.Duration) string { return time.Now().Add(skew).UTC().Format(http.TimeFormat) }
	local := func(r *http.Request) (*http.Response, error) {
		resp := response(429, "", "Retry-After: "+time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		resp.Request = r
		return resp, nil
	}
	still := want{token: true, requests: 1, until: seconds(3599, 3599)}
	runRows(t, []row{
		{name: "Retry-After of an endpoint ahead", do: at(time.Hour, time.Minute), want: throttled},
		{name: "Retry-After of an endpoint behind", do: at(-time.Hour, time.Minute), want: throttled},
		{name: "Retry-After of an endpoint years behind", do: at(-20_000*time.Hour, time.Minute), want: throttled},
		{name: "Retry-After without a Date", do: local, want: want{status: 429, requests: 1, pause: seconds(59, 72), ordered: true}},
		{name: "a token of an endpoint ahead", then: dated(day(24 * time.Hour)), want: still},
		{name: "a token of an endpoint behind", then: dated(day(-240 * time.Hour)), want: still},
		{name: "a token of an endpoint without a clock", then: dated("Thu, 01 Jan 1970 00:00:00 GMT"), want: still},
		{name: "a token with a Date that is none", then: dated("yesterday"), want: still},
		{name: "an error in the year 9999", then: reply(400, `{"error":"invalid_request","timestamp":"9999-12-31 23:59:59Z"}`), want: want{status: 400, code: "invalid_request", requests: 1}},
		{name: "an error at no time", then: reply(400, `{"error":"invalid_request","timestamp":"2026-13-45 99:99:99Z"}`), want: want{status: 400, code: "invalid_request", requests: 1}},
	})
}

// A long outage: callers keep coming, the endpoint is asked about once a minute, and the end is noticed within a minute.
func TestLongOutage(t *testing.T) {
	for _, x := range []struct {
		name  string
		reply entratest.Reply
		stale bool
		most  int // requests in three hours
	}{
		{"refused, nothing cached", entratest.Refuse(700016), false, 3*120 + 10},
		{"no connection, nothing cached", entratest.Reply{Err: os.ErrDeadlineExceeded}, false, 4 * (3*120 + 10)},
		{"throttled, nothing cached", entratest.Throttle(10 * time.Minute), false, 19},
		{"refused, stale", entratest.Refuse(700016), true, 3*120 + 10},
		{"hanging, stale", entratest.Reply{Hang: true}, true, 3*60 + 10},
		{"throttled, stale", entratest.Throttle(time.Minute), true, 3*60 + 2},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var token azcore.AccessToken
				if x.stale {
					token = r.must(storage)
					time.Sleep(12 * time.Hour)
				}
				r.entra.SetReply(&x.reply)
				before := r.sent()
				for began := time.Now(); time.Since(began) < 3*time.Hour; time.Sleep(23 * time.Second) {
					asked := time.Now()
					got, err := r.GetToken(t.Context(), scopeOf(storage))
					if x.stale {
						require.NoError(t, err)
						require.Equal(t, token, got)
						require.Zero(t, time.Since(asked), "at once")
					} else {
						require.Error(t, err)
					}
				}
				n := r.sent() - before
				assert.LessOrEqual(t, n, x.most)
				assert.GreaterOrEqual(t, n, 15, "it is still tried")
				_, _ = r.get(t.Context(), storage)
				synctest.Wait()
				r.entra.SetReply(nil)
				pause := time.Minute
				if !x.stale && x.most == 19 {
					pause = 12 * time.Minute
				}
				time.Sleep(landing + pause)
				if x.stale {
					assert.Equal(t, token, r.must(storage))
					synctest.Wait()
				}
				assert.NotEqual(t, token.Token, r.must(storage).Token)
				r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
			})
		})
	}
}

// A machine that slept finds everything expired. One exchange mends it, whoever comes first.
func TestWakeUp(t *testing.T) {
	for _, sleep := range []time.Duration{25 * time.Hour, 30 * 24 * time.Hour} {
		for _, callers := range []int{1, 100} {
			t.Run(fmt.Sprintf("%d callers after %s", callers, sleep), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					old := r.must(storage)
					time.Sleep(sleep)
					var all sync.WaitGroup
					for range callers {
						all.Go(func() {
							token, err := r.get(t.Context(), storage)
							if assert.NoError(t, err) {
								assert.NotEqual(t, old.Token, token.Token)
								assert.Greater(t, time.Until(token.ExpiresOn), lifetime-time.Minute)
							}
						})
					}
					all.Wait()
					assert.Equal(t, 2, r.sent())
					r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
				})
			})
		}
	}
	t.Run("with a token file that slept too", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.must(storage)
			time.Sleep(20_000 * time.Hour)
			_, err := r.get(t.Context(), storage)
			explained(t, err)
			assert.ErrorIs(t, err, tokenfile.ErrExpired)
			assert.Equal(t, 1, r.sent())
			require.NoError(t, r.file.Rotate())
			time.Sleep(2 * time.Second)
			r.must(storage)
			r.finish(everywhere...)
		})
	})
	t.Run("in the middle of an exchange", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			late := *hour("")
			late.Delay = 29 * time.Second
			r.entra.Enqueue(late)
			began := time.Now()
			token := r.must(storage)
			assert.WithinDuration(t, began.Add(time.Hour), token.ExpiresOn, 0, "from before the request was sent")
			r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
		})
	})
}
