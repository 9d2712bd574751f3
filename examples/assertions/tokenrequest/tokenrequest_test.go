package tokenrequest_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/tokenrequest"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/tokenfile"
)

const (
	clientID = "azure.workload.identity/client-id"
	tenantID = "azure.workload.identity/tenant-id"
	contoso  = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	vault    = "https://vault.azure.net/.default"
)

// rig holds a cluster, an Entra ID that trusts some of its service accounts, and a controller that
// gets tokens.
type rig struct {
	client     *fake.Clientset
	cluster    entratest.Cluster
	entra      entratest.Server
	controller *tokenrequest.Controller

	mu       sync.Mutex
	requests []string            // namespace of each TokenRequest
	tokens   map[string][]string // what each call to Act got, by namespace
	refuse   error               // the TokenRequest API's error, if not nil
}

func newRig(t *testing.T) *rig {
	r := &rig{client: fake.NewClientset(), tokens: map[string][]string{}}
	serveTokenRequests(r.client, &r.cluster)
	r.client.PrependReactor("create", "serviceaccounts/token", r.createToken)
	options := &credential.PoolOptions{Assertion: tokenrequest.Assertion(r.client)}
	options.Transport = &r.entra
	pool, err := credential.NewPool(options)
	require.NoError(t, err)
	r.controller = &tokenrequest.Controller{Client: r.client, Pool: pool, TenantID: contoso, Act: r.act}
	return r
}

// createToken counts or refuses a request to the TokenRequest API.
func (r *rig) createToken(action clienttesting.Action) (bool, runtime.Object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, action.GetNamespace())
	return r.refuse != nil, nil, r.refuse
}

// serveTokenRequests adds the TokenRequest API to the fake client.
func serveTokenRequests(client *fake.Clientset, cluster *entratest.Cluster) {
	client.PrependReactor("create", "serviceaccounts/token", func(action clienttesting.Action) (bool, runtime.Object, error) {
		create := action.(clienttesting.CreateActionImpl)
		spec := create.Object.(*authenticationv1.TokenRequest).Spec
		lifetime := time.Duration(*spec.ExpirationSeconds) * time.Second
		if lifetime < 10*time.Minute {
			return true, nil, errors.New("may not specify a duration less than 10 minutes")
		}
		token, err := cluster.Token(entratest.TokenRequest{
			Namespace: create.Namespace, ServiceAccount: create.Name, Audiences: spec.Audiences, Lifetime: lifetime,
		})
		return true, &authenticationv1.TokenRequest{Status: authenticationv1.TokenRequestStatus{Token: token}}, err
	})
}

func (r *rig) act(ctx context.Context, account *corev1.ServiceAccount, cred *credential.Credential) error {
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{vault}})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens[account.Namespace] = append(r.tokens[account.Namespace], token.Token)
	return err
}

// trust makes Entra ID trust the namespace's account "app" as a client.
func (r *rig) trust(t *testing.T, namespace, client string) {
	t.Helper()
	require.NoError(t, r.entra.TrustCluster(&r.cluster, entratest.FederatedCredential{
		TenantID: contoso, ClientID: client, Subject: "system:serviceaccount:" + namespace + ":app",
	}))
}

// annotate creates the account "app" in the namespace, or changes its annotations.
func (r *rig) annotate(t *testing.T, namespace string, annotations map[string]string) {
	t.Helper()
	accounts := r.client.CoreV1().ServiceAccounts(namespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "app", Annotations: annotations}}
	_, err := accounts.Create(t.Context(), account, metav1.CreateOptions{})
	if err != nil {
		_, err = accounts.Update(t.Context(), account, metav1.UpdateOptions{})
	}
	require.NoError(t, err)
}

func (r *rig) delete(t *testing.T, namespace string) {
	t.Helper()
	require.NoError(t, r.client.CoreV1().ServiceAccounts(namespace).Delete(t.Context(), "app", metav1.DeleteOptions{}))
}

// run runs the controller until the test ends.
func (r *rig) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.controller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		time.Sleep(time.Minute) // some of client-go's goroutines only poll for the end
	})
}

// events returns the namespace's events.
func (r *rig) events(t *testing.T, namespace string) []corev1.Event {
	t.Helper()
	events, err := r.client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return events.Items
}

// after sleeps for d. It then returns what Act has received and the namespaces of all token
// requests.
func (r *rig) after(d time.Duration) (tokens map[string][]string, requests []string) {
	time.Sleep(d)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.tokens), slices.Clone(r.requests)
}

// Over a day of reconciles, there is one TokenRequest per exchange, and each tenant gets its own
// tokens.
func TestTwoTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for _, tenant := range []string{"shop", "pay"} {
			r.trust(t, tenant, tenant+"-client")
			r.annotate(t, tenant, map[string]string{clientID: tenant + "-client"})
		}
		r.annotate(t, "other", nil)
		r.run(t)

		tokens, requests := r.after(25 * time.Minute)
		assert.Len(t, tokens["shop"], 3, "one immediate reconcile, and one every 10 minutes")
		assert.Len(t, tokens["pay"], 3)
		assert.ElementsMatch(t, []string{"shop", "pay"}, requests)

		tokens, requests = r.after(24 * time.Hour)
		assert.Len(t, tokens["shop"], 3+24*6)
		assert.Len(t, tokens["pay"], 3+24*6)
		assert.Len(t, requests, 2*(1+24*2), "access tokens live for an hour and are refreshed after half of it")
		assert.Len(t, r.entra.Requests(), len(requests), "one per exchange")
		assert.NotContains(t, tokens, "other", "the account has no annotation")
		for _, token := range tokens["shop"] {
			assert.NotEmpty(t, token)
			assert.NotContains(t, tokens["pay"], token)
		}
		assert.Empty(t, r.events(t, ""))
	})
}

// A tenant that uses another's client ID gets no token, even while the other's token is cached. All
// its refusals are one event.
func TestOtherTenantsClientID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.trust(t, "shop", "shop-client")
		r.annotate(t, "shop", map[string]string{clientID: "shop-client"})
		r.run(t)
		tokens, _ := r.after(time.Second)
		require.Len(t, tokens["shop"], 1)

		r.annotate(t, "mallory", map[string]string{clientID: "shop-client"})
		tokens, _ = r.after(time.Hour)

		require.NotEmpty(t, tokens["mallory"])
		for _, token := range tokens["mallory"] {
			assert.Empty(t, token)
		}
		events := r.events(t, "mallory")
		require.Len(t, events, 1)
		assert.Contains(t, events[0].Message, "AADSTS700213")
		assert.Contains(t, events[0].Message, `the subject of service account "app" in namespace "mallory"`)
		assert.EqualValues(t, len(tokens["mallory"]), events[0].Count)
		assert.Empty(t, r.events(t, "shop"))
	})
}

// The pool forgets an account that is deleted or gets another identity.
func TestForget(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *rig){
		"deleted":       func(t *testing.T, r *rig) { r.delete(t, "shop") },
		"not annotated": func(t *testing.T, r *rig) { r.annotate(t, "shop", nil) },
		"other tenant": func(t *testing.T, r *rig) {
			r.annotate(t, "shop", map[string]string{clientID: "shop-client", tenantID: "fabrikam.com"})
		},
		"other client": func(t *testing.T, r *rig) { r.annotate(t, "shop", map[string]string{clientID: "other-client"}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				for _, tenant := range []string{"shop", "pay"} {
					r.trust(t, tenant, tenant+"-client")
					r.annotate(t, tenant, map[string]string{clientID: tenant + "-client"})
				}
				known := func() (clients []string) {
					for _, key := range r.controller.Pool.Status() {
						if key.Ready() {
							clients = append(clients, key.ClientID)
						}
					}
					return clients
				}
				r.run(t)
				r.after(time.Second)
				require.Equal(t, []string{"pay-client", "shop-client"}, known())

				change(t, r)
				r.after(time.Second)

				assert.Equal(t, []string{"pay-client"}, known())
			})
		})
	}
}

// An account without a usable identity gets one event that says why. Entra ID gets no request.
func TestEvents(t *testing.T) {
	forbidden := errors.New(`serviceaccounts "app" is forbidden`)
	for name, test := range map[string]struct {
		clientID, tenantID string
		refuse             error
		event              string
	}{
		"no tenant":       {"shop-client", "", nil, "Identity.TenantID is empty"},
		"not a client ID": {"/subscriptions/1/resourceGroups/shop", contoso, nil, "Identity.ClientID"},
		"forbidden":       {"shop-client", contoso, forbidden, `tokenrequest: serviceaccounts "app" is forbidden`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.controller.TenantID, r.refuse = "", test.refuse
				r.annotate(t, "shop", map[string]string{clientID: test.clientID, tenantID: test.tenantID})
				r.run(t)

				r.after(time.Minute)

				events := r.events(t, "shop")
				require.Len(t, events, 1)
				assert.Equal(t, "ReconcileFailed", events[0].Reason)
				assert.Equal(t, "app", events[0].InvolvedObject.Name)
				assert.Contains(t, events[0].Message, test.event)
				assert.Greater(t, events[0].Count, int32(1))
				assert.Empty(t, r.entra.Requests())
			})
		})
	}
}

func TestAssertion(t *testing.T) {
	r := newRig(t)
	source := tokenrequest.Assertion(r.client)

	raw, err := source(t.Context(), credential.Identity{Subject: "system:serviceaccount:shop:app"})
	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, "system:serviceaccount:shop:app", token.Subject)
	assert.Equal(t, []string{"api://AzureADTokenExchange"}, []string(token.Audience))
	assert.Equal(t, 10*time.Minute, token.Expiry.Sub(token.IssuedAt))

	for _, subject := range []string{"", "spiffe://example.org/shop", "system:serviceaccount:shop", "shop:app"} {
		_, err := source(t.Context(), credential.Identity{Subject: subject})
		require.ErrorContains(t, err, "is not a service account's subject")
	}
}
