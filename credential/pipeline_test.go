package credential_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// resource is an Azure service that accepts the tokens that the rig's Entra ID signed for it. It
// numbers them from 1 as they arrive, because tokens do not belong in a test's output; 0 means no
// token.
type resource struct {
	t     *testing.T
	entra *entratest.Server

	mu      sync.Mutex
	numbers map[string]int
	seen    []int
	claims  []map[string]any // index 0 is token 1
	refused map[int]string   // by token: the WWW-Authenticate of its 401
}

func (r *rig) resource(t *testing.T) *resource {
	return &resource{t: t, entra: r.Entra, numbers: map[string]int{}, refused: map[int]string{0: keyVaultChallenge}}
}

const (
	keyVaultChallenge = `Bearer authorization="https://login.microsoftonline.com/` + tenantID + `", resource="https://vault.azure.net"`
	plainChallenge    = `Bearer authorization_uri="https://login.microsoftonline.com/common", error="invalid_token"`
)

// claimsChallenge is the challenge of a resource that revoked all tokens issued before an instant.
func claimsChallenge(notBefore int) string {
	return `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="` +
		base64.StdEncoding.EncodeToString([]byte(claimsSince(notBefore))) + `"`
}

func claimsSince(notBefore int) string {
	return fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, notBefore)
}

// claimsSent returns the claims that Entra ID receives for the challenge.
func claimsSent(notBefore int) string {
	return strings.TrimSuffix(claimsSince(notBefore), "}}") + `,"xms_cc":{"values":["CP1"]}}}`
}

func (s *resource) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.identify(req.Header.Get("Authorization"))
	s.seen = append(s.seen, n)
	if challenge, refused := s.refused[n]; refused {
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// Do implements a transport, for use inside a bubble.
func (s *resource) Do(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

// identify verifies a token as a resource does and returns its number.
func (s *resource) identify(authorization string) int {
	if authorization == "" {
		return 0
	}
	raw, ok := strings.CutPrefix(authorization, "Bearer ")
	assert.True(s.t, ok, "the scheme is Bearer")
	if n, known := s.numbers[raw]; known {
		return n
	}
	claims, err := s.entra.VerifyToken(raw, "https://vault.azure.net")
	assert.NoError(s.t, err)
	assert.Equal(s.t, clientID, claims["appid"])
	assert.Equal(s.t, tenantID, claims["tid"])
	s.claims = append(s.claims, claims)
	s.numbers[raw] = len(s.claims)
	return s.numbers[raw]
}

// refuse makes the resource answer 401 to a token from now on.
func (s *resource) refuse(token int, challenge string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[token] = challenge
}

// took returns the tokens that arrived since the last call.
func (s *resource) took() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// overTLS serves the resource on loopback and returns its URL and a transport that trusts it.
func overTLS(t *testing.T, handler http.Handler) (string, *http.Client) {
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true // one connection for all
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, server.Client()
}

// exchanges returns the token requests.
func (r *rig) exchanges() []entratest.Request {
	return slices.DeleteFunc(r.Entra.Requests(), func(q entratest.Request) bool { return q.Kind != entratest.KindToken })
}

// sdkClient is the core of an Azure SDK client.
type sdkClient struct {
	pipeline runtime.Pipeline
	url      string
}

// site is a resource as clients reach it, with their shared credential and its rig.
type site struct {
	*rig
	*resource
	*credential.Credential
	url       string // of the resource
	transport policy.Transporter
}

// newSite returns a site whose Entra ID and resource are behind sockets.
func newSite(t *testing.T) site {
	s := site{rig: newRig(t)}
	s.options.Cloud.ActiveDirectoryAuthorityHost, s.options.Transport = overTLS(t, s.Entra)
	s.resource = s.rig.resource(t)
	s.url, s.transport = overTLS(t, s.resource)
	s.Credential = s.credential(t)
	return s
}

// client returns a client of the site's resource.
func (s site) client(perRetry ...policy.Policy) sdkClient {
	return newSDKClient(s.Credential, s.url, s.transport, perRetry...)
}

// clients returns n clients of the site's resource.
func (s site) clients(n int, perRetry ...policy.Policy) []sdkClient {
	all := make([]sdkClient, n)
	for i := range all {
		all[i] = s.client(perRetry...)
	}
	return all
}

func newSDKClient(c azcore.TokenCredential, url string, transport policy.Transporter, perRetry ...policy.Policy) sdkClient {
	return sdkClient{
		url: url,
		pipeline: runtime.NewPipeline("test", "v1.0.0", runtime.PipelineOptions{
			PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(c, []string{vault}, nil)},
		}, &policy.ClientOptions{Transport: transport, PerRetryPolicies: perRetry}),
	}
}

// send returns the status of one request.
func (c sdkClient) send(ctx context.Context) (int, error) {
	req, err := runtime.NewRequest(ctx, http.MethodGet, c.url)
	if err != nil {
		return 0, err
	}
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

func (c sdkClient) wants(t *testing.T, status int) {
	t.Helper()
	got, err := c.send(t.Context())
	require.NoError(t, err)
	require.Equal(t, status, got)
}

// together sends one request from every client at once. All succeed.
func together(t *testing.T, clients []sdkClient) {
	t.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, c := range clients {
		wg.Go(func() {
			<-start
			status, err := c.send(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, http.StatusOK, status)
		})
	}
	close(start)
	wg.Wait()
}

func repeat(token, n int) []int { return slices.Repeat([]int{token}, n) }

func TestAzcoresRequestsGoOnWhileTokensAreRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.RefreshIn = 30 * time.Minute
		r.Entra.SetDelay(9 * time.Second)
		service := r.resource(t)
		c := r.credential(t)
		clients := site{Credential: c, url: "https://vault.example", transport: service}.clients(5)
		clients[0].wants(t, http.StatusOK)
		for step := range 3 * 60 * 3 { // three hours in steps of 20 s
			switch time.Duration(step) * 20 * time.Second {
			case 20 * time.Minute:
				r.Entra.SetReply(new(entratest.Unavailable(0))) // longer than the refresh is due
			case 50 * time.Minute:
				r.Entra.SetReply(nil) // before the token expires
			}
			for _, client := range clients {
				start := time.Now()
				client.wants(t, http.StatusOK)
				require.Zero(t, time.Since(start), "somebody waited")
			}
			time.Sleep(20 * time.Second)
		}
		require.InDelta(t, 6, len(service.claims), 2, "tokens used: the first for 50 minutes, then each for 22.5 to 30")
		time.Sleep(cache.DefaultTimeout)
	})
}

func TestClaimsChallengeIsAnsweredByOneNewToken(t *testing.T) {
	s := newSite(t)
	client := s.client()
	client.wants(t, http.StatusOK)
	require.Equal(t, []int{1}, s.took())

	s.refuse(1, claimsChallenge(1700000000))
	client.wants(t, http.StatusOK)
	require.Equal(t, []int{1, 2}, s.took(), "the new token went out with the same request")
	require.Equal(t, []any{"CP1"}, s.claims[1]["xms_cc"])
	require.Len(t, s.exchanges(), 2)
	require.JSONEq(t, `{"access_token":{"xms_cc":{"values":["CP1"]}}}`, s.exchanges()[0].Claims)
	require.JSONEq(t, claimsSent(1700000000), s.exchanges()[1].Claims)

	client.wants(t, http.StatusOK)
	s.client().wants(t, http.StatusOK)
	require.Equal(t, []int{2, 2}, s.took(), "nobody gets the stale token any more")
	require.Len(t, s.exchanges(), 2)
}

func TestFiftyClientsOfOneCredentialShareItsExchanges(t *testing.T) {
	s := newSite(t)
	clients := s.clients(50)
	together(t, clients)
	require.Equal(t, repeat(1, 50), s.took())
	require.Len(t, s.exchanges(), 1, "one from cold")

	for challenge := 1; challenge <= 2; challenge++ {
		s.refuse(challenge, claimsChallenge(1700000000+challenge))
		together(t, clients)
		sent := s.took()
		slices.Sort(sent)
		require.Equal(t, append(repeat(challenge, 50), repeat(challenge+1, 50)...), sent, "each client holds the stale token, and learns once")
		require.Len(t, s.exchanges(), 1+challenge, "one per challenge")
		require.JSONEq(t, claimsSent(1700000000+challenge), s.exchanges()[challenge].Claims)

		together(t, clients)
		require.Equal(t, repeat(challenge+1, 50), s.took(), "the stale token is never sent again")
	}
	require.Len(t, s.exchanges(), 3)
}

func TestPlain401(t *testing.T) {
	s := newSite(t)
	one, two, without := s.client(s.InvalidateOn401()), s.client(s.InvalidateOn401()), s.client()
	for _, client := range []sdkClient{one, two, without} {
		client.wants(t, http.StatusOK)
	}
	s.refuse(1, plainChallenge)
	s.took()

	without.wants(t, http.StatusUnauthorized)
	without.wants(t, http.StatusUnauthorized)
	require.Equal(t, []int{1, 1}, s.took(), "without the policy the refused token stays")

	one.wants(t, http.StatusUnauthorized)
	one.wants(t, http.StatusOK)
	require.Equal(t, []int{1, 2}, s.took(), "the next request carries a new one")

	two.wants(t, http.StatusUnauthorized)
	two.wants(t, http.StatusOK)
	require.Equal(t, []int{1, 2}, s.took(), "a 401 on the old token does not drop the newer")
	require.Len(t, s.exchanges(), 2)
}

func TestPlain401OfManyClientsCausesOneExchange(t *testing.T) {
	s := newSite(t)
	clients := s.clients(20, s.InvalidateOn401())
	together(t, clients)
	s.refuse(1, plainChallenge)
	for _, client := range clients {
		client.wants(t, http.StatusUnauthorized)
	}
	s.took()
	together(t, clients)
	require.Equal(t, repeat(2, 20), s.took())
	require.Len(t, s.exchanges(), 2)
}

// TestKeyVaultsHandshake covers azsecrets, azkeys and azcertificates: they first ask without a
// token, to learn the scope.
func TestKeyVaultsHandshake(t *testing.T) {
	s := newSite(t)
	before := get(t, s.Credential, policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true})
	handler := policy.AuthorizationHandler{
		OnRequest: func(*policy.Request, func(policy.TokenRequestOptions) error) error { return nil },
		OnChallenge: func(_ *policy.Request, resp *http.Response, authenticate func(policy.TokenRequestOptions) error) error {
			_, audience, ok := strings.Cut(resp.Header.Get("WWW-Authenticate"), `resource="`)
			require.True(t, ok)
			return authenticate(policy.TokenRequestOptions{Scopes: []string{strings.TrimSuffix(audience, `"`) + "/.default"}})
		},
	}
	client := sdkClient{url: s.url, pipeline: runtime.NewPipeline("test", "v1.0.0", runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(s, nil, &policy.BearerTokenOptions{AuthorizationHandler: handler})},
	}, &policy.ClientOptions{Transport: s.transport, PerRetryPolicies: []policy.Policy{s.InvalidateOn401()}})}
	client.wants(t, http.StatusOK)
	require.Equal(t, []int{0, 1}, s.took())
	require.Equal(t, 1, s.identify("Bearer "+before.Token), "the token that was cached before is the one used")
	require.Len(t, s.exchanges(), 1)
}

func TestWhat401DropsAToken(t *testing.T) {
	claims := claimsChallenge(1700000000)
	for name, row := range map[string]struct {
		status       int
		challenges   []string
		authenticate func(token string) string
		dropped      bool
	}{
		"plain":                              {401, []string{plainChallenge}, nil, true},
		"no challenge at all":                {401, nil, nil, true},
		"scheme in another case":             {401, nil, func(token string) string { return "bearer " + token }, true},
		"Key Vault's, with a token":          {401, []string{keyVaultChallenge}, nil, true},
		"Key Vault's, without a token":       {401, []string{keyVaultChallenge}, func(string) string { return "" }, false},
		"claims":                             {401, []string{claims}, nil, false},
		"claims, after another header":       {401, []string{plainChallenge, claims}, nil, false},
		"claims, after another challenge":    {401, []string{`PoP nonce="n", ` + claims}, nil, false},
		"insufficient_claims without claims": {401, []string{`Bearer error="insufficient_claims"`}, nil, true},
		"other scheme":                       {401, nil, func(token string) string { return "SharedKey " + token }, false},
		"other token":                        {401, nil, func(string) string { return "Bearer another" }, false},
		"forbidden":                          {403, []string{plainChallenge}, nil, false},
		"fine":                               {200, nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := r.credential(t)
			before := get(t, c, scope(vault))
			pipeline := runtime.NewPipeline("test", "v1.0.0", runtime.PipelineOptions{}, &policy.ClientOptions{
				PerRetryPolicies: []policy.Policy{c.InvalidateOn401()}, Transport: answering(row.status, row.challenges...),
			})
			req, err := runtime.NewRequest(t.Context(), http.MethodGet, "https://vault.example")
			require.NoError(t, err)
			if row.authenticate == nil {
				row.authenticate = func(token string) string { return "Bearer " + token }
			}
			if header := row.authenticate(before.Token); header != "" {
				req.Raw().Header.Set("Authorization", header)
			}
			resp, err := pipeline.Do(req)
			require.NoError(t, err)
			require.Equal(t, row.status, resp.StatusCode)
			require.Equal(t, row.dropped, get(t, c, scope(vault)).Token != before.Token)
		})
	}
}

// azcore parses only Bearer challenges with quoted parameters in padded base64. A challenge that it
// cannot parse must not keep the refused token alive.
func TestChallengeThatTheClientCannotAnswerCountsAsAPlain401(t *testing.T) {
	for name, row := range map[string]struct {
		challenge string
		exchanges []int // total, after each request
	}{
		"unquoted":       {`Bearer error=insufficient_claims, claims=eyJ9`, []int{1, 1, 2}},
		"another scheme": {`PoP error="insufficient_claims", claims="eyJ9"`, []int{1, 1, 2}},
		"one that it answers itself, and is refused all the same": {claimsChallenge(1700000000), []int{2, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				c := r.credential(t)
				client := newSDKClient(c, "https://vault.example", answering(http.StatusUnauthorized, row.challenge), c.InvalidateOn401())
				var exchanges []int
				for range row.exchanges {
					_, _ = client.send(t.Context())
					exchanges = append(exchanges, len(r.Entra.Requests()))
					time.Sleep(time.Minute)
				}
				require.Equal(t, row.exchanges, exchanges)
			})
		})
	}
}

// Requests that are under way together are challenged together. That counts as one challenge.
func TestClientsThatAreChallengedTogetherAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		c := r.credential(t)
		token := get(t, c, scope(vault)).Token
		pipeline := runtime.NewPipeline("test", "v1.0.0", runtime.PipelineOptions{}, &policy.ClientOptions{
			PerRetryPolicies: []policy.Policy{c.InvalidateOn401()},
			Transport: transportFunc(func(req *http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				return answering(http.StatusUnauthorized, claimsChallenge(1700000000))(req)
			}),
		})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				req, err := runtime.NewRequest(t.Context(), http.MethodGet, "https://vault.example")
				require.NoError(t, err)
				req.Raw().Header.Set("Authorization", "Bearer "+token)
				_, err = pipeline.Do(req)
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Equal(t, token, get(t, c, scope(vault)).Token)
	})
}

func TestPolicyPassesTransportErrorsOn(t *testing.T) {
	r := newRig(t)
	c := r.credential(t)
	before := get(t, c, scope(vault))
	broken := errors.New("connection reset")
	pipeline := runtime.NewPipeline("test", "v1.0.0", runtime.PipelineOptions{}, &policy.ClientOptions{
		Retry:            policy.RetryOptions{MaxRetries: -1},
		PerRetryPolicies: []policy.Policy{c.InvalidateOn401()},
		Transport:        transportFunc(func(*http.Request) (*http.Response, error) { return nil, broken }),
	})
	req, err := runtime.NewRequest(t.Context(), http.MethodGet, "https://vault.example")
	require.NoError(t, err)
	req.Raw().Header.Set("Authorization", "Bearer "+before.Token)
	_, err = pipeline.Do(req)
	require.ErrorIs(t, err, broken)
	require.True(t, before.Token == get(t, c, scope(vault)).Token)
}

// counted counts the calls of GetToken and keeps the last error.
type counted struct {
	*credential.Credential
	calls atomic.Int32
	err   error
}

func (c *counted) GetToken(ctx context.Context, options policy.TokenRequestOptions) (token azcore.AccessToken, err error) {
	c.calls.Add(1)
	token, err = c.Credential.GetToken(ctx, options)
	c.err = err
	return token, err
}

func TestErrorsOfTheCredentialStopAzcoresRetries(t *testing.T) {
	for name, row := range map[string]struct {
		reply    entratest.Reply
		status   int
		requests int
	}{
		"refused":   {entratest.Refuse(700016), 400, 1},
		"throttled": {entratest.Throttle(time.Minute), 429, 1},
		// azcore's policy retries these within the exchange.
		"unavailable": {entratest.Unavailable(0), 503, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				service := r.resource(t)
				r.Entra.SetReply(&row.reply)
				c := &counted{Credential: r.credential(t)}
				_, err := newSDKClient(c, "https://vault.example", service).send(t.Context())
				e, ok := errors.AsType[*exchange.Error](err)
				require.True(t, ok)
				require.Equal(t, row.status, e.StatusCode)
				require.EqualValues(t, 1, c.calls.Load())
				require.Len(t, r.exchanges(), row.requests)
				require.Empty(t, service.took())
			})
		})
	}
}

func TestRequestWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		service := r.resource(t)
		r.Entra.SetDelay(9 * time.Second)
		c := &counted{Credential: r.credential(t)}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := newSDKClient(c, "https://vault.example", service).send(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, c.err, context.DeadlineExceeded)
		// azcore itself returns only the context's error.
		require.ErrorContains(t, c.err, "the exchange was waiting for a reply from login.microsoftonline.com")
		require.Equal(t, 3*time.Second, time.Since(start))
		require.EqualValues(t, 1, c.calls.Load())

		newSDKClient(c, "https://vault.example", service).wants(t, http.StatusOK)
		require.Equal(t, 9*time.Second, time.Since(start), "the exchange went on for the next")
		require.Len(t, r.exchanges(), 1)
	})
}

func TestRequestOverHTTPGetsNoToken(t *testing.T) {
	r := newRig(t)
	service := r.resource(t)
	c := &counted{Credential: r.credential(t)}
	_, err := newSDKClient(c, "http://vault.example", service).send(t.Context())
	require.ErrorContains(t, err, "not permitted for non")
	require.Zero(t, c.calls.Load())
	require.Empty(t, service.took())
}

func TestResourceThatAnswersEveryRequestWith401CausesFewExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		c := r.credential(t)
		clients := site{Credential: c, url: "https://vault.example", transport: answering(http.StatusUnauthorized)}.clients(20, c.InvalidateOn401())
		refused := func() {
			for range 5 {
				for _, client := range clients {
					client.wants(t, http.StatusUnauthorized)
				}
			}
		}
		refused()
		require.Len(t, r.Entra.Requests(), 2, "the first token, and its replacement")
		time.Sleep(2 * time.Second)
		refused()
		require.Len(t, r.Entra.Requests(), 3, "one more after a pause")
	})
}
