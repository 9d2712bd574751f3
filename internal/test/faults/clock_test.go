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

// hour returns a success reply with a lifetime of an hour and more members.
func hour(more string) *entratest.Reply {
	return reply(200, strings.Replace(success(more), "3599", "3600", 1), jsonType)
}

// TestExpiryBoundaries checks what a caller gets near a token's expiry, and when. The token lives
// for an hour and has long been due for refresh.
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
		at    time.Duration // relative to the expiry
		reply entratest.Reply
		gets  string // old, new or error
		after time.Duration
	}{
		{"a minute before, refused", -time.Minute, refuse, "old", 0},
		{"a minute before, hanging", -time.Minute, hang, "old", 0},
		{"just before the final seconds, hanging", -5*second - ns, hang, "old", 0},
		{"in the final seconds", -5 * second, healthy, "new", 0},
		{"in the final seconds, slow", -5 * second, slow, "new", 2 * second},
		{"in the final seconds, refused", -5 * second, refuse, "old", 0},
		{"in the final seconds, refused too late", -second, late, "error", 2 * second},
		{"in the final seconds, hanging", -5 * second, hang, "new", 11*second + 340*time.Millisecond},
		{"in the last instant, refused", -ns, refuse, "old", 0},
		{"at the expiry", 0, healthy, "new", 0},
		{"at the expiry, refused", 0, refuse, "error", 0},
		{"a day after it", 24 * time.Hour, healthy, "new", 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.Entra.Enqueue(*hour(""))
				old := r.must(storage)
				cached := r.must(vault)
				time.Sleep(time.Until(old.ExpiresOn.Add(x.at)))
				r.rotate()
				r.Entra.Enqueue(x.reply)
				began := time.Now()
				token, err := r.get(t.Context(), storage)
				assert.InDelta(t, x.after, time.Since(began), float64(200*time.Millisecond))
				switch x.gets {
				case "old":
					require.NoError(t, err)
					assert.Equal(t, old.Token, token.Token)
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
				tries := 1
				if x.gets == "new" && x.reply.Hang {
					tries = 2
				}
				assert.Equal(t, 1+tries, r.sent(), "one exchange, possibly in the background")
				time.Sleep(landing + time.Minute)
				assert.NotEqual(t, old.Token, r.must(storage).Token, "the next attempt succeeded")
				assert.LessOrEqual(t, r.sent(), 3)
				r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
			})
		})
	}
}

// TestRefreshIn checks the RefreshOn that results from refresh_in. The lifetime is an hour, and
// jitter takes off up to a quarter.
func TestRefreshIn(t *testing.T) {
	const derived = 1800 // halfway
	for raw, due := range map[string]float64{
		``: derived, `"soon"`: derived, `-1`: derived, `3600`: derived, `"1800"`: 1800, `3599`: 3599, `60`: 60, `0.5`: 0.5,
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				more := ""
				if raw != "" {
					more = `,"refresh_in":` + raw
				}
				r.Entra.Enqueue(*hour(more))
				began := time.Now()
				token := r.must(storage)
				assert.WithinDuration(t, began.Add(time.Hour), token.ExpiresOn, 0)
				within(t, seconds(due*0.75, due), token.RefreshOn.Sub(began), "the refresh")
				assert.Equal(t, token.RefreshOn, r.key().RefreshOn, "azcore gets the same instant")
				time.Sleep(time.Until(token.RefreshOn) - time.Nanosecond)
				r.must(storage)
				synctest.Wait()
				assert.Equal(t, 1, r.sent(), "not before RefreshOn")
				time.Sleep(time.Nanosecond)
				again := r.must(storage)
				synctest.Wait()
				if token.RefreshOn.Before(token.ExpiresOn.Add(-5 * time.Second)) {
					assert.Equal(t, token.Token, again.Token, "stale tokens are served at once")
				}
				assert.Equal(t, 2, r.sent(), "one exchange at RefreshOn")
				assert.NotEqual(t, token.Token, r.must(storage).Token)
				r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
			})
		})
	}
}

// A reply's Date is by the endpoint's clock. It matters only as the reference for Retry-After.
func TestClocksThatDiffer(t *testing.T) {
	throttled := want{status: 429, requests: 1, pause: seconds(60, 72), ordered: true}
	from := func(date string) *entratest.Reply { return reply(200, success(""), "Date: "+date) }
	local := func(r *http.Request) (*http.Response, error) {
		resp := response(429, "", "Retry-After: "+time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		resp.Request = r
		return resp, nil
	}
	still := want{token: true, requests: 1, until: seconds(3599, 3599)}
	runRows(t, []row{
		{name: "Retry-After of an endpoint ahead", do: dated(time.Hour, time.Minute), want: throttled},
		{name: "Retry-After of an endpoint years behind", do: dated(-20_000*time.Hour, time.Minute), want: throttled},
		{name: "Retry-After without a Date", do: local, want: want{status: 429, requests: 1, pause: seconds(59, 72), ordered: true}},
		{name: "a token of an endpoint ahead", then: from("Sat, 01 Jan 2101 00:00:00 GMT"), want: still},
		{name: "a token of an endpoint behind", then: from("Thu, 01 Jan 1970 00:00:00 GMT"), want: still},
		{name: "a token with an invalid Date", then: from("yesterday"), want: still},
		{name: "an error in the year 9999", then: reply(400, `{"error":"invalid_request","timestamp":"9999-12-31 23:59:59Z"}`), want: want{status: 400, code: "invalid_request", requests: 1}},
	})
}

// In a long outage, callers keep coming, the endpoint gets about one request a minute, and the end
// of the outage is noticed within a minute.
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
		{"hanging, stale", entratest.Reply{Hang: true}, true, 3 * (3*60 + 10)},
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
				r.Entra.SetReply(&x.reply)
				before := r.sent()
				for began := time.Now(); time.Since(began) < 3*time.Hour; time.Sleep(23 * time.Second) {
					called := time.Now()
					got, err := r.GetToken(t.Context(), scopeOf(storage))
					if x.stale {
						require.NoError(t, err)
						require.Equal(t, token.Token, got.Token)
						require.Zero(t, time.Since(called), "at once")
					} else {
						require.Error(t, err)
					}
				}
				n := r.sent() - before
				assert.LessOrEqual(t, n, x.most)
				assert.GreaterOrEqual(t, n, 15, "attempts go on")
				_, _ = r.get(t.Context(), storage)
				synctest.Wait()
				r.Entra.SetReply(nil)
				pause := time.Minute
				if !x.stale && x.most == 19 {
					pause = 12 * time.Minute
				}
				time.Sleep(landing + pause)
				// This may be the old token, if the last attempt hung until now.
				r.must(storage)
				synctest.Wait()
				assert.NotEqual(t, token.Token, r.must(storage).Token)
				r.finish(sinkLog, sinkAzcore, sinkSpan, sinkEvent)
			})
		})
	}
}

// After a machine has slept, everything has expired. One exchange is enough, whoever calls first.
func TestWakeUp(t *testing.T) {
	for _, sleep := range []time.Duration{25 * time.Hour, 30 * 24 * time.Hour} {
		for _, callers := range []int{1, 100} {
			t.Run(fmt.Sprintf("%d callers after %s", callers, sleep), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					old := r.must(storage)
					time.Sleep(sleep)
					r.rotate()
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
			r.rotate()
			time.Sleep(2 * time.Second)
			r.must(storage)
			r.finish(everywhere...)
		})
	})
}
