//go:build linux

package faults_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

	storage = "https://storage.azure.com/.default"   // the scope that meets the fault
	vault   = "https://vault.azure.net/.default"     // one whose token is cached before
	graph   = "https://graph.microsoft.com/.default" // one that is asked for during the fault

	challenge = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`

	// accessToken is in the replies that cannot be used.
	accessToken = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL3N0b3JhZ2UuYXp1cmUuY29tIn0.Zm9yVGVzdHNPbmx5U2lnbmF0dXJlMDEyMzQ1Njc4OQ"

	// landing is longer than any exchange takes; a bubble must not end before those that it began.
	landing = 31 * time.Second

	lifetime = 24 * time.Hour // of the healthy endpoint's tokens
)

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// rig is a pod in a fake cluster, the fake Entra ID that it signs in to, and all that its credential says.
type rig struct {
	*recorder
	*credential.Credential
	t       *testing.T
	cluster entratest.Cluster
	file    *entratest.Projection
	options credential.Options
	entra   entratest.Server // healthy

	finished bool

	down  atomic.Bool
	fault doFunc // what a request for storage meets while down

	mu       sync.Mutex
	requests map[string]int // by scope
}

// newRig returns a rig whose pod is set up right, but for what configure changes before the credential is made.
func newRig(t *testing.T, configure ...func(*rig)) *rig {
	r := &rig{t: t, recorder: newRecorder(), requests: map[string]int{}}
	r.entra.Lifetime = lifetime
	file, err := r.cluster.Project(t.TempDir(), "azure-identity-token", entratest.TokenRequest{
		Namespace: "shop", ServiceAccount: "orders", Pod: "orders-0", Lifetime: 10_000 * time.Hour,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			assert.True(t, r.finished, "what the row said was not searched for secrets")
		}
	})
	r.file = file
	r.secret(file.Token())
	r.options = credential.Options{ClientID: clientID, TenantID: tenantID, TokenFilePath: file.Path(), PropagationTimeout: -1}
	r.options.Transport = doFunc(r.Do) // a func, so that printing the options does not print the rig
	for _, change := range configure {
		change(r)
	}
	r.attach(&r.options)
	r.Credential, err = credential.New(&r.options)
	require.NoError(t, err)
	return r
}

// Do is the transport: it counts, learns the secrets, and lets the fault answer while there is one. Like any transport, it sends
// nothing for a context that has ended.
func (r *rig) Do(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	scope := form.Get("scope")
	r.secret(form.Get("client_assertion"))
	r.mu.Lock()
	r.requests[scope]++
	r.mu.Unlock()
	if scope == storage && r.down.Load() && r.fault != nil {
		return r.fault(req)
	}
	resp, err := r.entra.Do(req)
	if err == nil {
		r.learn(resp)
	}
	return resp, err
}

var accessTokenMember = regexp.MustCompile(`"access_token":"([^"]*)"`)

// learn takes the access token of a reply for a secret.
func (r *rig) learn(resp *http.Response) {
	body, _ := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if match := accessTokenMember.FindSubmatch(body); match != nil {
		r.secret(string(match[1]))
	}
}

// sent returns how many requests there were for storage, in all.
func (r *rig) sent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[storage]
}

// ask asks for a token, and records what is said.
func (r *rig) ask(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := r.GetToken(ctx, options)
	if err != nil {
		r.error(err)
		r.status(r.Status())
		assert.Zero(r.t, token)
	}
	r.secret(token.Token)
	return token, err
}

func (r *rig) get(ctx context.Context, scope string) (azcore.AccessToken, error) {
	return r.ask(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
}

func (r *rig) must(scope string) azcore.AccessToken {
	r.t.Helper()
	token, err := r.get(context.Background(), scope)
	require.NoError(r.t, err)
	require.NotEmpty(r.t, token.Token)
	return token
}

// key returns the status of storage's key.
func (r *rig) key() credential.KeyStatus {
	for _, s := range r.Status() {
		if s.Scopes[0] == storage {
			return s
		}
	}
	return credential.KeyStatus{}
}

// finish ends a row: what was said holds no secret.
func (r *rig) finish(sinks ...string) {
	r.t.Helper()
	r.finished = true
	r.status(r.Status())
	r.print(r.Credential, r.options)
	r.check(r.t, append(sinks, sinkStatus, sinkPrint)...)
}

// everywhere is for rows with an exchange that fails.
var everywhere = []string{sinkError, sinkLog, sinkAzcore, sinkSpan, sinkEvent}

// ended is a context that has: with it, only what is cached can be had.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// want is what must happen to the caller, and to the endpoint.
type want struct {
	token bool // the caller gets one, else an error

	words  []string           // in the error
	not    []string           // not in it
	is     []error            // by errors.Is
	as     []func(error) bool // by errors.As
	status int                // of the *exchange.Error; without one, there is no such error
	code   string             // of that
	codes  []int              // of that

	requests, upTo  int              // for the one exchange; upTo: if that varies
	waited          [2]time.Duration // by the caller, at least and at most; none: half a minute at most
	pause           [2]time.Duration // until the next attempt; none: the first back-off, 1 to 2 s
	ordered         bool             // the pause was asked for by the endpoint, so that it holds challenges back too
	brief           bool             // the token is too short-lived to be served from the cache
	until           [2]time.Duration // how long the token lives, at least and at most, from the request
	sharedWithOther bool             // the other keys meet the fault too
}

func as[E error]() func(error) bool {
	return func(err error) bool { _, ok := errors.AsType[E](err); return ok }
}

// explained checks what holds for every error of GetToken for storage.
func explained(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	text := err.Error()
	assert.NotContains(t, text, "\n", "one line")
	assert.Less(t, len(text), 8<<10, "bounded")
	assert.True(t, as[interface {
		error
		NonRetriable()
	}]()(err), "azcore must not retry")
	for _, word := range []string{"credential: ", storage, clientID, tenantID} {
		assert.Contains(t, text, word)
	}
}

func (w want) failure(t *testing.T, err error) {
	t.Helper()
	explained(t, err)
	for _, word := range w.words {
		assert.Contains(t, err.Error(), word)
	}
	for _, word := range w.not {
		assert.NotContains(t, err.Error(), word)
	}
	for _, target := range w.is {
		assert.ErrorIs(t, err, target)
	}
	for i, as := range w.as {
		assert.True(t, as(err), "errors.As, number %d: %v", i, err)
	}
	e, ok := errors.AsType[*exchange.Error](err)
	if w.status == 0 {
		assert.False(t, ok, "no reply came: %v", err)
		return
	}
	require.True(t, ok, "a reply came: %v", err)
	assert.Equal(t, w.status, e.StatusCode)
	assert.Equal(t, w.code, e.Code)
	assert.Equal(t, w.codes, e.EntraCodes)
}

// count checks the number of requests of one exchange.
func (w want) count(t *testing.T, n int, when string) {
	t.Helper()
	assert.GreaterOrEqual(t, n, w.requests, "requests %s", when)
	assert.LessOrEqual(t, n, max(w.requests, w.upTo), "requests %s", when)
}

func within(t *testing.T, bounds [2]time.Duration, d time.Duration, what string) {
	t.Helper()
	assert.GreaterOrEqual(t, d, bounds[0], what)
	assert.LessOrEqual(t, d, bounds[1], what)
}

// drill is one fault, from before it until after it, in a bubble. It is the same for all faults: what differs is in want.
type drill struct {
	want
	down func()     // lets the fault begin
	heal func()     // ends it
	sent func() int // requests for storage
	once bool       // the fault ends by itself: nothing to see with a stale token
}

func (d drill) run(r *rig) {
	t := r.t
	t.Helper()
	cached := r.must(vault)

	d.down()
	before, began := d.sent(), time.Now()
	token, err := r.get(context.Background(), storage)
	waited := time.Since(began)
	d.count(t, d.sent()-before, "for the first caller")
	if d.waited == [2]time.Duration{} {
		d.waited[1] = landing - time.Second
	}
	within(t, d.waited, waited, "the caller's wait")

	served := func() {
		t.Helper()
		began := time.Now()
		again, err := r.get(ended, vault) // not even a context that has ended matters
		require.NoError(t, err)
		assert.Equal(t, cached, again, "other keys are served from the cache")
		assert.Zero(t, time.Since(began), "at once")
	}
	served()
	if !d.sharedWithOther {
		began := time.Now()
		r.must(graph)
		assert.Zero(t, time.Since(began), "other keys are unaffected")
	}
	if d.token {
		require.NoError(t, err)
		d.success(r, token, began)
		d.heal()
	} else {
		d.failure(t, err)
		require.False(t, t.Failed(), "the rest would only confuse")
		d.backOff(r, err)
		served()
		token = d.recover(r)
	}
	if !d.token && !d.once {
		d.stale(r, token)
	}
	time.Sleep(landing)
	sinks := []string{sinkLog, sinkAzcore, sinkSpan, sinkEvent}
	if !d.token {
		sinks = append(sinks, sinkError)
	}
	r.finish(sinks...)
}

// success checks a token that was had in spite of the fault.
func (d drill) success(r *rig, token azcore.AccessToken, began time.Time) {
	t := r.t
	t.Helper()
	require.NotEmpty(t, token.Token)
	assert.True(t, token.ExpiresOn.After(time.Now()))
	assert.False(t, token.RefreshOn.After(token.ExpiresOn))
	if d.until == [2]time.Duration{} {
		d.until[1] = 48*time.Hour + landing
	}
	within(t, d.until, token.ExpiresOn.Sub(began), "lifetime")
	if d.brief {
		return
	}
	before := d.sent()
	again, err := r.get(ended, storage)
	require.NoError(t, err)
	assert.Equal(t, token, again, "it is cached")
	assert.Equal(t, before, d.sent())
}

// backOff checks that the endpoint is left alone, and what callers are told meanwhile.
func (d drill) backOff(r *rig, first error) {
	t := r.t
	t.Helper()
	before := d.sent()
	key := r.key()
	assert.NotEmpty(t, key.LastError)
	assert.False(t, key.InFlight)
	assert.Equal(t, d.code, key.Code)
	if d.pause == [2]time.Duration{} {
		d.pause = [2]time.Duration{time.Second, 2 * time.Second}
	}
	within(t, d.pause, key.NextAttempt.Sub(key.FailedAt), "the pause")

	refused := func(options policy.TokenRequestOptions) {
		t.Helper()
		options.Scopes = []string{storage}
		began := time.Now()
		_, err := r.ask(context.Background(), options)
		d.failure(t, err)
		assert.ErrorContains(t, err, "next attempt at")
		assert.Zero(t, time.Since(began), "at once")
	}
	for range 3 {
		refused(policy.TokenRequestOptions{})
	}
	if d.ordered {
		refused(policy.TokenRequestOptions{Claims: challenge})
	}
	time.Sleep(time.Until(key.NextAttempt) - time.Millisecond)
	refused(policy.TokenRequestOptions{})
	assert.Equal(t, before, d.sent(), "no request before the next attempt is due")
}

// recover checks that the next exchange that is due succeeds, if it can.
func (d drill) recover(r *rig) azcore.AccessToken {
	t := r.t
	t.Helper()
	d.heal()
	time.Sleep(time.Until(r.key().NextAttempt))
	token := r.must(storage)
	key := r.key()
	assert.Empty(t, key.LastError)
	assert.True(t, key.NextAttempt.IsZero())
	assert.True(t, key.Ready())
	return token
}

// stale checks the same fault in the sight of callers that have a token past its refresh time.
func (d drill) stale(r *rig, token azcore.AccessToken) {
	t := r.t
	t.Helper()
	d.down()
	served := func() {
		t.Helper()
		began := time.Now()
		assert.Equal(t, token, r.must(storage), "the stale token is served")
		assert.Zero(t, time.Since(began), "at once")
	}
	time.Sleep(time.Until(token.RefreshOn) - time.Nanosecond)
	before := d.sent()
	served()
	time.Sleep(time.Nanosecond)
	for range 3 {
		served()
	}
	time.Sleep(landing)
	d.count(t, d.sent()-before, "for the background refresh")
	assert.NotEmpty(t, r.key().LastError, "it failed")
	d.heal()
	time.Sleep(time.Until(r.key().NextAttempt))
	before = d.sent()
	served()
	synctest.Wait()
	fresh := r.must(storage)
	assert.NotEqual(t, token.Token, fresh.Token, "the next attempt brought a new token")
	assert.LessOrEqual(t, d.sent()-before, 1)
}

// row is a fault of the endpoint or its reply.
type row struct {
	name  string
	first []entratest.Reply // the first replies for storage,
	then  *entratest.Reply  // and the others; nil: a healthy endpoint's
	do    doFunc            // instead of both
	with  func(*rig)        // before the credential is made
	once  bool              // not with a stale token, too
	want
}

// runRows puts a credential through each row, in a bubble.
func runRows(t *testing.T, rows []row) {
	names := map[string]bool{}
	for _, x := range rows {
		require.False(t, names[x.name], "two rows are named %q", x.name)
		names[x.name] = true
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var broken entratest.Server
				broken.Lifetime = lifetime
				r := newRig(t, func(r *rig) {
					r.fault = func(req *http.Request) (*http.Response, error) {
						resp, err := broken.Do(req)
						if err == nil {
							r.learn(resp)
						}
						return resp, err
					}
					if x.do != nil {
						r.fault = x.do
					}
					if x.with != nil {
						x.with(r)
					}
				})
				broken.Enqueue(x.first...)
				broken.SetReply(x.then)
				drill{
					want: x.want,
					down: func() { r.down.Store(true) },
					heal: func() { r.down.Store(false) },
					sent: r.sent,
					once: x.once || x.do == nil && x.then == nil,
				}.run(r)
			})
		})
	}
}

// reply makes a reply with a header of one line.
func reply(status int, body string, header ...string) *entratest.Reply {
	h := http.Header{}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ":")
		h.Set(name, strings.TrimSpace(value))
	}
	return &entratest.Reply{Status: status, Body: body, Header: h}
}

func seconds(from, to float64) [2]time.Duration {
	return [2]time.Duration{time.Duration(from * float64(time.Second)), time.Duration(to * float64(time.Second))}
}
