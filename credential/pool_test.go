package credential_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// poolRig is a controller that acts for the tenants of a cluster. Entra ID trusts each tenant's
// service account.
type poolRig struct {
	entra   entratest.Server
	cluster entratest.Cluster
	options credential.PoolOptions

	mu       sync.Mutex
	asked    []credential.Identity          // whose tokens the pool requested
	presents map[credential.Identity]string // the namespace to present instead of the identity's
}

func newPoolRig(t *testing.T, tenants ...string) *poolRig {
	r := &poolRig{presents: map[credential.Identity]string{}}
	r.options.Transport = &r.entra
	r.options.Assertion = func(_ context.Context, id credential.Identity) (string, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked = append(r.asked, id)
		namespace := strings.Split(id.Subject, ":")[2]
		if other := r.presents[id]; other != "" {
			namespace = other
		}
		return r.cluster.Token(entratest.TokenRequest{Namespace: namespace, ServiceAccount: "app"})
	}
	for _, name := range tenants {
		id := tenantNamed(name)
		require.NoError(t, r.entra.TrustCluster(&r.cluster, entratest.FederatedCredential{TenantID: id.TenantID, ClientID: id.ClientID, Subject: id.Subject}))
	}
	return r
}

// tenantNamed returns the identity of a tenant of the cluster.
func tenantNamed(name string) credential.Identity {
	return credential.Identity{TenantID: tenantID, ClientID: "client-" + name, Subject: "system:serviceaccount:" + name + ":app"}
}

func (r *poolRig) pool(t *testing.T) *credential.Pool {
	t.Helper()
	p, err := credential.NewPool(&r.options)
	require.NoError(t, err)
	return p
}

func of(t *testing.T, p *credential.Pool, id credential.Identity) *credential.Credential {
	t.Helper()
	c, err := p.For(id)
	require.NoError(t, err)
	return c
}

func TestEachIdentityGetsItsOwnToken(t *testing.T) {
	r := newPoolRig(t, "a", "b")
	p := r.pool(t)
	a, b := get(t, of(t, p, tenantNamed("a")), scope(vault)), get(t, of(t, p, tenantNamed("b")), scope(vault))
	require.NotEqual(t, a.Token, b.Token)
	require.Equal(t, []string{"client-a", "client-b"}, []string{r.entra.Requests()[0].ClientID, r.entra.Requests()[1].ClientID})
}

func TestCredentialsOfEqualIdentitiesShareEverything(t *testing.T) {
	r := newPoolRig(t, "a")
	p := r.pool(t)
	token := get(t, of(t, p, tenantNamed("a")), scope(vault)).Token
	for range 20 { // a credential per reconcile
		require.Equal(t, token, get(t, of(t, p, tenantNamed("a")), scope(vault)).Token)
	}
	require.Len(t, r.entra.Requests(), 1)
}

// Tenant B, whose annotation names A's client ID, must never get a token of A, cached or new.
func TestIdentityWithAnothersClientIDGetsNoToken(t *testing.T) {
	r := newPoolRig(t, "a")
	r.options.PropagationTimeout = -1
	p := r.pool(t)
	get(t, of(t, p, tenantNamed("a")), scope(vault))
	thief := credential.Identity{TenantID: tenantID, ClientID: "client-a", Subject: "system:serviceaccount:b:app"}
	_, err := of(t, p, thief).GetToken(t.Context(), scope(vault))
	refusal, ok := errors.AsType[*exchange.Error](err)
	require.True(t, ok, err)
	require.Equal(t, 700213, refusal.EntraCodes[0], "Entra ID judges B's own token")
}

// A callback that returns the wrong tenant's token is a bug that must not become a leak.
func TestTokenOfAnotherSubjectIsNotSent(t *testing.T) {
	r := newPoolRig(t, "a", "b")
	id := tenantNamed("a")
	r.presents[id] = "b"
	_, err := of(t, r.pool(t), id).GetToken(t.Context(), scope(vault))
	require.ErrorContains(t, err, `subject "system:serviceaccount:b:app" for the identity with subject "system:serviceaccount:a:app", so the token was not sent`)
	require.Empty(t, r.entra.Requests())
}

func TestWhatAPoolsAssertionMayReturn(t *testing.T) {
	down := errors.New("the API server is down")
	for name, row := range map[string]struct {
		token string
		err   error
		want  string
	}{
		"an error":       {"", down, "PoolOptions.Assertion: the API server is down"},
		"nothing":        {"", nil, "PoolOptions.Assertion returned an empty token"},
		"something else": {"hunter2", nil, "PoolOptions.Assertion did not return a federated token: tokenfile: not a JSON Web Token"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newPoolRig(t, "a")
			r.options.Assertion = func(context.Context, credential.Identity) (string, error) { return row.token, row.err }
			_, err := of(t, r.pool(t), tenantNamed("a")).GetToken(t.Context(), scope(vault))
			require.ErrorContains(t, err, row.want)
			if row.err != nil {
				require.ErrorIs(t, err, row.err)
			}
			require.NotContains(t, err.Error(), "hunter2")
			require.Empty(t, r.entra.Requests())
		})
	}
}

func TestIncompleteIdentityIsAnError(t *testing.T) {
	t.Setenv("AZURE_CLIENT_ID", clientID) // does not fill the gap
	t.Setenv("AZURE_TENANT_ID", tenantID)
	p := newPoolRig(t).pool(t)
	for name, row := range map[string]struct {
		id   credential.Identity
		want []string
	}{
		"all":         {credential.Identity{}, []string{"Identity.TenantID is empty", "Identity.ClientID is empty", "Identity.Subject is empty"}},
		"blank":       {credential.Identity{TenantID: tenantID, ClientID: clientID, Subject: " "}, []string{"Identity.Subject is empty"}},
		"white space": {credential.Identity{TenantID: tenantID, ClientID: " ", Subject: "s"}, []string{"Identity.ClientID is empty"}},
		"no tenant":   {credential.Identity{TenantID: "a/b", ClientID: clientID, Subject: "s"}, []string{`Identity.TenantID is "a/b", which is neither a GUID nor a domain name`}},
		"resource ID": {credential.Identity{TenantID: tenantID, ClientID: "/subscriptions/1/x", Subject: "s"}, []string{"Identity.ClientID is an ARM resource ID"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.For(row.id)
			for _, want := range row.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
	for _, good := range []credential.Identity{
		{TenantID: tenantID, ClientID: clientID, Subject: "s"},
		{TenantID: "contoso.onmicrosoft.com", ClientID: "api://orders", Subject: "repo:octo/shop:ref:refs/heads/main"},
	} {
		_, err := p.For(good)
		require.NoError(t, err)
	}
}

func TestNewPoolReportsAllProblems(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("AZURE_AUTHORITY_HOST", "http://login.example")
	_, err := credential.NewPool(&credential.PoolOptions{
		AdditionallyAllowedTenants: []string{"a/b"}, IdentityBinding: &exchange.IdentityBinding{TokenProxy: "proxy.example"},
	})
	for _, want := range []string{
		"PoolOptions.Assertion is not set", "PoolOptions.AdditionallyAllowedTenants[0]", "AZURE_AUTHORITY_HOST: ", "PoolOptions.IdentityBinding: ",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = credential.NewPool(nil)
	require.ErrorContains(t, err, "PoolOptions.Assertion is not set")
}

func TestIdentitiesFailAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPoolRig(t, "good")
		require.NoError(t, r.entra.AddApplication(tenantID, "client-bad"))
		p := r.pool(t)
		go func() { _, _ = of(t, p, tenantNamed("bad")).GetToken(t.Context(), scope(vault)) }()
		synctest.Wait()
		start := time.Now()
		get(t, of(t, p, tenantNamed("good")), scope(vault))
		require.Zero(t, time.Since(start))
		time.Sleep(time.Minute)
	})
}

// Each reconcile of a misconfigured tenant creates a credential. They share the identity's retry
// budget.
func TestRefusedIdentityCostsItsBudgetOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPoolRig(t)
		require.NoError(t, r.entra.AddApplication(tenantID, "client-bad"))
		p := r.pool(t)
		var waited []time.Duration
		for range 5 {
			start := time.Now()
			_, err := of(t, p, tenantNamed("bad")).GetToken(t.Context(), scope(vault))
			require.Error(t, err)
			waited = append(waited, time.Since(start))
			time.Sleep(time.Minute)
		}
		require.GreaterOrEqual(t, waited[0], 10*time.Second)
		require.Equal(t, []time.Duration{0, 0, 0, 0}, waited[1:])
	})
}

func TestRetryThatNobodyWaitsForIsNotSent(t *testing.T) {
	const identities = 500
	synctest.Test(t, func(t *testing.T) {
		r := newPoolRig(t)
		r.entra.SetReply(new(entratest.Refuse(700213))) // a refusal that may clear up
		p := r.pool(t)
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		for i := range identities {
			wg.Go(func() {
				_, err := of(t, p, tenantNamed(fmt.Sprint(i))).GetToken(ctx, scope(vault))
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		wg.Wait()
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), before, "none lingers")
		time.Sleep(time.Minute)
		require.Len(t, r.entra.Requests(), identities, "one each")
	})
}

func TestPoolsCredentialsHaveEveryMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const other = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"
		r := newPoolRig(t, "a")
		a := tenantNamed("a")
		require.NoError(t, r.entra.TrustCluster(&r.cluster, entratest.FederatedCredential{TenantID: other, ClientID: a.ClientID, Subject: a.Subject}))
		r.options.AdditionallyAllowedTenants = []string{other}
		var mu sync.Mutex
		var events []credential.ExchangeEvent
		r.options.OnExchange = func(e credential.ExchangeEvent) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		}
		p := r.pool(t)
		c := of(t, p, a)
		require.Equal(t, a.ClientID, c.ClientID())
		require.Equal(t, a.TenantID, c.TenantID())

		get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: other})
		require.Equal(t, other, r.entra.Requests()[0].TenantID)
		_, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: "third.example"})
		require.ErrorContains(t, err, `tenant "third.example" is not allowed`)

		first := get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true})
		answer := get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true, Claims: `{"access_token":{"nbf":{"essential":true}}}`})
		require.NotEqual(t, first.Token, answer.Token)

		require.NoError(t, c.Prefetch(scope(storage)))
		synctest.Wait()
		require.Len(t, r.entra.Requests(), 4)
		get(t, c, scope(storage))
		require.Len(t, r.entra.Requests(), 4)

		c.Invalidate(answer.Token)
		require.NotEqual(t, answer.Token, get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true}).Token)
		synctest.Wait()
		for _, e := range events {
			require.Equal(t, []string{a.ClientID, a.Subject}, []string{e.ClientID, e.Subject})
		}
	})
}

func TestStatusOfACredentialIsItsOwnKeys(t *testing.T) {
	r := newPoolRig(t, "a", "b")
	p := r.pool(t)
	a, b := of(t, p, tenantNamed("a")), of(t, p, tenantNamed("b"))
	get(t, a, scope(vault))
	get(t, b, scope(vault))
	get(t, b, scope(storage))
	require.Len(t, a.Status(), 1)
	require.Len(t, b.Status(), 2)
	all := p.Status()
	require.Len(t, all, 3)
	require.Equal(t, []string{"client-a", "client-b", "client-b"}, []string{all[0].ClientID, all[1].ClientID, all[2].ClientID})
	require.Equal(t, "system:serviceaccount:a:app", all[0].Subject)
}

func TestForgottenIdentityStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPoolRig(t, "a", "b")
		require.NoError(t, r.entra.AddApplication(tenantID, "client-bad"))
		p := r.pool(t)
		a, b, bad := of(t, p, tenantNamed("a")), of(t, p, tenantNamed("b")), of(t, p, tenantNamed("bad"))
		first, kept := get(t, a, scope(vault)), get(t, b, scope(vault))
		_, err := bad.GetToken(t.Context(), scope(vault))
		require.Error(t, err)

		p.Forget(tenantNamed("a"))
		p.Forget(tenantNamed("bad"))
		require.Empty(t, a.Status())
		require.NotEqual(t, first.Token, get(t, a, scope(vault)).Token)
		require.Equal(t, kept.Token, get(t, b, scope(vault)).Token)
		start := time.Now()
		_, err = bad.GetToken(t.Context(), scope(vault))
		require.Error(t, err)
		require.GreaterOrEqual(t, time.Since(start), 10*time.Second, "its budget is restored")
	})
}

func TestExchangeUnderWayDoesNotBringAForgottenIdentityBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPoolRig(t, "a")
		r.entra.SetDelay(time.Second)
		p := r.pool(t)
		a := of(t, p, tenantNamed("a"))
		require.NoError(t, a.Prefetch(scope(vault)))
		synctest.Wait()
		p.Forget(tenantNamed("a"))
		time.Sleep(time.Minute)
		require.Empty(t, p.Status())
	})
}

// State of unused identities is dropped with their tokens.
func TestUnusedIdentitiesCostNothingBeyondTheBound(t *testing.T) {
	const identities, nameSize = 150, 10_000
	r := newPoolRig(t)
	r.options.MaxTokens = 10
	signed, err := r.cluster.Token(entratest.TokenRequest{Namespace: "n", ServiceAccount: "app"})
	require.NoError(t, err)
	r.options.Assertion = func(context.Context, credential.Identity) (string, error) { return signed, nil }
	p := r.pool(t)
	held := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	sign := func(n int) {
		for i := range n {
			id := credential.Identity{TenantID: tenantID, ClientID: fmt.Sprintf("client-%d-%s", i, strings.Repeat("x", nameSize)), Subject: "system:serviceaccount:n:app"}
			get(t, of(t, p, id), scope(vault))
			r.entra.ForgetRequests()
		}
	}
	sign(20)
	before := held()
	sign(identities)
	require.Less(t, held()-before, int64(identities*nameSize/2))
}

func TestPoolsTransportIsAskedWithThePoolsBinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPoolRig(t, "a")
		proxy := &entratest.TokenProxy{Server: &r.entra, Path: "/proxy"}
		var host string
		r.options.Transport = transportFunc(func(req *http.Request) (*http.Response, error) {
			host = req.URL.Host
			return proxy.Do(req)
		})
		r.options.IdentityBinding = &exchange.IdentityBinding{TokenProxy: "https://proxy.example/proxy"}
		p := r.pool(t)
		_, err := of(t, p, tenantNamed("a")).GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "403", "the token is not for the proxy")
		require.Equal(t, "proxy.example", host)
		require.True(t, of(t, p, tenantNamed("a")).TokenProxy())
	})
}

// A binding that the program describes takes precedence over the environment's.
func TestOwnBindingWinsOverTheEnvironments(t *testing.T) {
	r := newRig(t)
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", "https://environment.example")
	r.options.EnableAzureProxy = true
	r.options.IdentityBinding = &exchange.IdentityBinding{TokenProxy: "https://own.example"}
	require.Equal(t, "own.example", r.credential(t).Host())
	r.options.IdentityBinding = &exchange.IdentityBinding{TokenProxy: "own.example"}
	_, err := credential.New(&r.options)
	require.ErrorContains(t, err, `Options.IdentityBinding: token proxy "own.example" is not an https URL`)
}

var sinkCredential *credential.Credential

func BenchmarkPoolFor(b *testing.B) {
	p, err := credential.NewPool(&credential.PoolOptions{Assertion: func(context.Context, credential.Identity) (string, error) { return "", nil }})
	if err != nil {
		b.Fatal(err)
	}
	id := credential.Identity{TenantID: tenantID, ClientID: clientID, Subject: "system:serviceaccount:shop:orders"}
	b.ReportAllocs()
	for b.Loop() {
		if sinkCredential, err = p.For(id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPoolHit(b *testing.B) {
	cluster := new(entratest.Cluster)
	token, err := cluster.Token(entratest.TokenRequest{})
	if err != nil {
		b.Fatal(err)
	}
	options := &credential.PoolOptions{ClientOptions: azcore.ClientOptions{Transport: new(entratest.Server)}}
	options.Assertion = func(context.Context, credential.Identity) (string, error) { return token, nil }
	p, err := credential.NewPool(options)
	if err != nil {
		b.Fatal(err)
	}
	var creds []*credential.Credential
	request := scope(vault)
	for i := range 1000 {
		c, err := p.For(credential.Identity{TenantID: tenantID, ClientID: fmt.Sprintf("client-%d", i), Subject: "system:serviceaccount:default:default"})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.GetToken(b.Context(), request); err != nil {
			b.Fatal(err)
		}
		creds = append(creds, c)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := creds[i%len(creds)].GetToken(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}
