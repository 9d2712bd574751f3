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
	"github.com/entrafed/entrafed/tokenfile"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

	storage = "https://storage.azure.com/.default" // the scope that meets the fault
	// A scope whose token is cached before the fault.
	vault = "https://vault.azure.net/.default"
	graph = "https://graph.microsoft.com/.default" // a scope that is requested during the fault

	challenge = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`

	// accessToken is the token in replies that cannot be used.
	accessToken = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL3N0b3JhZ2UuYXp1cmUuY29tIn0.Zm9yVGVzdHNPbmx5U2lnbmF0dXJlMDEyMzQ1Njc4OQ"

	// landing is longer than any exchange takes. A bubble must not end before the exchanges started
	// in it.
	landing = 31 * time.Second

	lifetime = 24 * time.Hour // of access tokens and of the federated token
)

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// rig is a pod, the fake Entra ID that it signs in to, and a recorder of everything that its
// credential says.
type rig struct {
	*recorder
	*credential.Credential
	*entratest.Pod // its Entra is healthy

	t       *testing.T
	options credential.Options

	finished bool

	down   atomic.Bool
	fault  doFunc           // handles requests for storage while down
	broken entratest.Server // answers them if a row has a script

	mu       sync.Mutex
	requests map[string]int // by scope
}

// newRig returns a rig whose pod is set up correctly. configure can change it before the credential
// is created.
func newRig(t *testing.T, configure ...func(*rig)) *rig {
	r := &rig{t: t, recorder: newRecorder(), requests: map[string]int{}, broken: entratest.Server{Lifetime: lifetime}}
	var err error
	r.Pod, err = entratest.NewPod(t.TempDir(), &entratest.PodOptions{
		Entra: &entratest.Server{Lifetime: lifetime}, TenantID: tenantID, ClientID: clientID, Token: entratest.TokenRequest{Lifetime: lifetime},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			assert.True(t, r.finished, "what the credential said was not searched for secrets")
		}
	})
	r.secret(r.Projection.Token())
	r.options = credential.Options{ClientID: clientID, TenantID: tenantID, TokenFilePath: r.TokenFile, PropagationTimeout: -1}
	// A func, so that printing the options does not print the rig.
	r.options.Transport = doFunc(r.Do)
	for _, change := range configure {
		change(r)
	}
	r.attach(&r.options)
	r.Credential, err = r.open(strings.HasSuffix(t.Name(), strings.ReplaceAll(ofAPool, " ", "_")))
	require.NoError(t, err)
	return r
}

// ofAPool ends the names of tests whose credential comes from a pool.
const ofAPool = " of a pool"

// both runs a test twice: with a credential of its own, and with one from a pool.
func both(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, test)
	t.Run(name+ofAPool, test)
}

// open creates the credential.
func (r *rig) open(pooled bool) (*credential.Credential, error) {
	if !pooled {
		return credential.New(&r.options)
	}
	assertion := r.options.Assertion
	if assertion == nil {
		assertion = tokenfile.New(r.options.TokenFilePath).Assertion
	}
	pool, err := credential.NewPool(&credential.PoolOptions{
		ClientOptions:              r.options.ClientOptions,
		Assertion:                  func(ctx context.Context, _ credential.Identity) (string, error) { return assertion(ctx) },
		AdditionallyAllowedTenants: r.options.AdditionallyAllowedTenants,
		PropagationTimeout:         r.options.PropagationTimeout,
		MaxTokens:                  r.options.MaxTokens,
		Logger:                     r.options.Logger,
		OnExchange:                 r.options.OnExchange,
	})
	if err != nil {
		return nil, err
	}
	return pool.For(credential.Identity{TenantID: tenantID, ClientID: clientID, Subject: r.Trusted.Subject})
}

// rotate replaces the federated token, as the kubelet does before it expires.
func (r *rig) rotate() {
	r.t.Helper()
	require.NoError(r.t, r.Projection.Rotate())
}

// Do is the transport. It counts requests, records secrets, and lets the fault answer while there
// is one. Like any transport, it sends nothing if the context has ended.
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
	return r.answer(r.Entra, req)
}

// answer lets entra answer, and records the access token in the reply as a secret.
func (r *rig) answer(entra *entratest.Server, req *http.Request) (*http.Response, error) {
	resp, err := entra.Do(req)
	if err != nil {
		return nil, err
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if match := accessTokenMember.FindSubmatch(body); match != nil {
		r.secret(string(match[1]))
	}
	return resp, nil
}

var accessTokenMember = regexp.MustCompile(`"access_token":"([^"]*)"`)

// sent returns the total number of requests for storage.
func (r *rig) sent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[storage]
}

// ask gets a token and records what the credential says.
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

// finish ends a row. It checks that everything said is free of secrets.
func (r *rig) finish(sinks ...string) {
	r.t.Helper()
	r.finished = true
	r.status(r.Status())
	r.print(r.Credential, r.options)
	r.check(r.t, append(sinks, sinkStatus, sinkPrint)...)
}

// everywhere lists the sinks of rows with a failing exchange.
var everywhere = []string{sinkError, sinkLog, sinkAzcore, sinkSpan, sinkEvent}

// ended is a context that has ended. A call with it gets only cached tokens.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// want is what must happen to the caller and to the endpoint.
type want struct {
	token bool // the caller gets a token; otherwise an error

	words  []string           // in the error
	not    []string           // not in the error
	is     []error            // found by errors.Is
	as     []func(error) bool // found by errors.As
	status int                // of the *exchange.Error; zero if none
	code   string             // of the *exchange.Error
	codes  []int              // of the *exchange.Error

	requests, upTo int              // of the one exchange; upTo if the number varies
	waited         [2]time.Duration // by the caller, at least and at most; zero means up to 30 s
	// pause is the time until the next attempt; zero means the first back-off, 1 to 2 s.
	pause [2]time.Duration
	// ordered reports that the endpoint requested the pause, so it also delays challenges.
	ordered         bool
	brief           bool             // the token is too short-lived to be served from the cache
	until           [2]time.Duration // the token's lifetime from the request, at least and at most
	sharedWithOther bool             // other keys meet the fault too
	// patient reports that the refusal may clear up, so it is retried while somebody waits.
	patient bool
}

func as[E error]() func(error) bool {
	return func(err error) bool { _, ok := errors.AsType[E](err); return ok }
}

// explained checks what must hold for every error of GetToken for storage.
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

// count checks the number of requests in one exchange.
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

// drill takes a rig through one fault, from before it until after it, in a bubble. It is the same
// for all faults; want describes the differences.
type drill struct {
	want
	down func() // starts the fault
	heal func() // ends the fault
	once bool   // the fault ends on its own, so skip the part with a stale token
}

// drill runs the drill for a fault that lasts while the rig is down.
func (r *rig) drill(w want, once bool) {
	r.t.Helper()
	drill{want: w, down: func() { r.down.Store(true) }, heal: func() { r.down.Store(false) }, once: once}.run(r)
}

func (d drill) run(r *rig) {
	t := r.t
	t.Helper()
	cached := r.must(vault)

	d.down()
	before, began := r.sent(), time.Now()
	token, err := r.get(context.Background(), storage)
	waited := time.Since(began)
	d.count(t, r.sent()-before, "for the first caller")
	if d.waited == [2]time.Duration{} {
		d.waited[1] = landing - time.Second
	}
	within(t, d.waited, waited, "the caller's wait")

	served := func() {
		t.Helper()
		began := time.Now()
		again, err := r.get(ended, vault) // even an ended context gets a cached token
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
		require.False(t, t.Failed(), "the other checks would only confuse")
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

// success checks a token that was obtained despite the fault.
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
	before := r.sent()
	again, err := r.get(ended, storage)
	require.NoError(t, err)
	assert.Equal(t, token.Token, again.Token, "it is cached")
	assert.Equal(t, before, r.sent())
}

// backOff checks that the endpoint is left alone, and the errors that callers get meanwhile.
func (d drill) backOff(r *rig, first error) {
	t := r.t
	t.Helper()
	before := r.sent()
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
	assert.Equal(t, before, r.sent(), "no request before the next attempt is due")
}

// recover checks that the next exchange succeeds once the fault is over.
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

// stale checks the same fault for callers that have a stale token.
func (d drill) stale(r *rig, token azcore.AccessToken) {
	t := r.t
	t.Helper()
	d.down()
	served := func() {
		t.Helper()
		began := time.Now()
		assert.Equal(t, token.Token, r.must(storage).Token, "the stale token is served")
		assert.Zero(t, time.Since(began), "at once")
	}
	time.Sleep(time.Until(token.RefreshOn) - time.Nanosecond)
	before := r.sent()
	served()
	time.Sleep(time.Nanosecond)
	for range 3 {
		served()
	}
	time.Sleep(landing)
	background := d.want
	if d.patient { // a retry that nobody waits for is not sent
		background.requests, background.upTo = 1, 1
	}
	background.count(t, r.sent()-before, "for the background refresh")
	assert.NotEmpty(t, r.key().LastError, "it failed")
	d.heal()
	time.Sleep(time.Until(r.key().NextAttempt))
	before = r.sent()
	served()
	synctest.Wait()
	fresh := r.must(storage)
	assert.NotEqual(t, token.Token, fresh.Token, "the next attempt got a new token")
	assert.LessOrEqual(t, r.sent()-before, 1)
}

// row is a fault of the endpoint or of its reply.
type row struct {
	name  string
	first []entratest.Reply // the first replies for storage
	then  *entratest.Reply  // the later replies; nil means a healthy endpoint's
	do    doFunc            // replaces both
	with  func(*rig)        // runs before the credential is created
	once  bool              // skip the part with a stale token
	want
}

// runRows takes a credential through each row, in a bubble.
func runRows(t *testing.T, rows []row) {
	names := map[string]bool{}
	for _, x := range rows {
		require.False(t, names[x.name], "two rows are named %q", x.name)
		names[x.name] = true
		both(t, x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(r *rig) {
					r.fault = x.do
					if x.do == nil {
						r.fault = func(req *http.Request) (*http.Response, error) { return r.answer(&r.broken, req) }
					}
					if x.with != nil {
						x.with(r)
					}
				})
				r.broken.Enqueue(x.first...)
				r.broken.SetReply(x.then)
				r.drill(x.want, x.once || x.do == nil && x.then == nil)
			})
		})
	}
}

// reply returns a reply. Each header is one "Name: value" line.
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
