package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/tokenrequest"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/tokenfile"
)

const (
	clientIDAnnotation = "azure.workload.identity/client-id"
	otherClientID      = "22222222-3333-4444-8555-666666666666"

	patience, tick = 30 * time.Second, 20 * time.Millisecond
)

// controller is the controller of examples/assertions/tokenrequest, with exactly the permissions in
// its manifest. It also acts for accounts that earlier tests left behind.
type controller struct {
	client *kubernetes.Clientset
	pool   *credential.Pool

	mu       sync.Mutex
	requests map[string]int      // TokenRequests by namespace
	acts     map[string][]result // what Act received, by namespace
}

type result struct {
	token string
	err   error
}

// startController starts the controller, with its RoleBinding in the workloads' namespaces.
func startController(t *testing.T, e *entra, tenants ...*workload) *controller {
	t.Helper()
	applyRBAC(t, tenants)
	c := &controller{requests: map[string]int{}, acts: map[string][]result{}}
	c.client = c.newClient(t)
	c.waitForRights(t, tenants)

	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "")
	options := &credential.PoolOptions{Assertion: tokenrequest.Assertion(c.client), PropagationTimeout: -1}
	options.Cloud.ActiveDirectoryAuthorityHost, options.Transport = e.authority, e.transport
	var err error
	c.pool, err = credential.NewPool(options)
	require.NoError(t, err)
	running := &tokenrequest.Controller{Client: c.client, Pool: c.pool, TenantID: tenantID, Act: c.act}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- running.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	return c
}

// applyRBAC applies the manifest. Its RoleBinding is for the namespace shop; the tenants'
// namespaces replace that here.
func applyRBAC(t *testing.T, tenants []*workload) {
	t.Helper()
	for _, d := range readDocuments(t, "assertions/tokenrequest/rbac.yaml") {
		if _, ok := d.object.(*rbacv1.RoleBinding); !ok {
			require.NoError(t, d.patch(t, ""), d.path)
			continue
		}
		for _, w := range tenants {
			binding := document{
				path: strings.Replace(d.path, "/shop/", "/"+w.account.Namespace+"/", 1),
				text: bytes.Replace(d.text, []byte("namespace: shop"), []byte("namespace: "+w.account.Namespace), 1),
			}
			require.NoError(t, binding.patch(t, ""), binding.path)
		}
	}
}

// newClient returns a client that uses the token of the controller's service account, as in a pod,
// and counts token requests.
func (c *controller) newClient(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	issued, err := cluster.admin.CoreV1().ServiceAccounts("tokenrequest").CreateToken(t.Context(), "controller", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	config := &rest.Config{
		Host:            cluster.issuer(),
		BearerToken:     issued.Status.Token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(cluster.dir, "pki", "apiserver.crt")},
		QPS:             -1,
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &tokenRequestCounter{c, next} })
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

type tokenRequestCounter struct {
	controller *controller
	next       http.RoundTripper
}

// tokenPath matches the path of a TokenRequest. Its group is the namespace.
var tokenPath = regexp.MustCompile(`^/api/v1/namespaces/([^/]+)/serviceaccounts/[^/]+/token$`)

func (n *tokenRequestCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	if match := tokenPath.FindStringSubmatch(r.URL.Path); match != nil {
		n.controller.mu.Lock()
		n.controller.requests[match[1]]++
		n.controller.mu.Unlock()
	}
	return n.next.RoundTrip(r)
}

// waitForRights waits until the manifest's permissions take effect. RBAC learns about rules from a
// watch.
func (c *controller) waitForRights(t *testing.T, tenants []*workload) {
	t.Helper()
	require.Eventually(t, func() bool {
		ready := c.may(t, "list", "serviceaccounts", "", "") && c.may(t, "watch", "serviceaccounts", "", "") &&
			c.may(t, "create", "events", "", "") && c.may(t, "patch", "events", "", "")
		for _, w := range tenants {
			ready = ready && c.may(t, "create", "serviceaccounts", "token", w.account.Namespace)
		}
		return ready
	}, patience, tick)
}

// may asks kube-apiserver whether the controller may do something. An empty namespace means all
// namespaces.
func (c *controller) may(t *testing.T, verb, resource, subresource, namespace string) bool {
	answer, err := c.client.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Resource: resource, Subresource: subresource, Namespace: namespace,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Log(err) // the next attempt may succeed
	}
	return err == nil && answer.Status.Allowed
}

func (c *controller) act(ctx context.Context, account *corev1.ServiceAccount, cred *credential.Credential) error {
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{vault}})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acts[account.Namespace] = append(c.acts[account.Namespace], result{token.Token, err})
	return err
}

// waitFor waits for the workload's n-th reconcile and returns its result.
func (c *controller) waitFor(t *testing.T, w *workload, n int) result {
	t.Helper()
	acts := func() []result {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.acts[w.account.Namespace]
	}
	require.Eventually(t, func() bool { return len(acts()) >= n }, patience, tick)
	return acts()[n-1]
}

// tokenRequests returns the number of TokenRequests that the controller made for the workload.
func (c *controller) tokenRequests(w *workload) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[w.account.Namespace]
}

// presented returns the workload's tokens that Entra ID received.
func (e *entra) presented(t *testing.T, w *workload) (tokens []tokenfile.Token) {
	t.Helper()
	for _, assertion := range e.assertions(t) {
		token, err := tokenfile.Parse(assertion)
		require.NoError(t, err)
		if token.Subject == w.subject() {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// annotate sets annotations of the workload's account.
func (w *workload) annotate(t *testing.T, annotations map[string]string) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	require.NoError(t, err)
	_, err = cluster.admin.CoreV1().ServiceAccounts(w.account.Namespace).Patch(t.Context(), w.account.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
}

// event waits until an event of the workload's account has counted three failures, and returns its
// message. The account must have no other event.
func (w *workload) event(t *testing.T) string {
	t.Helper()
	var events []corev1.Event
	require.Eventually(t, func() bool {
		list, err := cluster.admin.CoreV1().Events(w.account.Namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Log(err) // the next attempt may succeed
			return false
		}
		events = list.Items
		return len(events) > 0 && events[0].Count >= 3
	}, patience, tick)
	require.Len(t, events, 1)
	assert.Equal(t, w.account.Name, events[0].InvolvedObject.Name)
	return events[0].Message
}

// Each tenant signs in with its own token. A reconcile with a cached token sends no request to
// kube-apiserver or Entra ID.
func TestControllerActsForTwoTenants(t *testing.T) {
	shop, pay := newWorkload(t), newWorkload(t)
	e := newEntra(t, shop)
	require.NoError(t, e.Trust(entratest.FederatedCredential{
		TenantID: tenantID, ClientID: otherClientID, Issuer: cluster.issuer(), Subject: pay.subject(), Audiences: []string{exchangeAudience},
	}))
	shop.annotate(t, map[string]string{clientIDAnnotation: clientID})
	pay.annotate(t, map[string]string{clientIDAnnotation: otherClientID})
	c := startController(t, e, shop, pay)

	first, other := c.waitFor(t, shop, 1), c.waitFor(t, pay, 1)
	require.NoError(t, first.err)
	require.NoError(t, other.err)
	assert.NotEqual(t, first.token, other.token)

	shop.annotate(t, map[string]string{"touched": "once"})
	assert.Equal(t, first, c.waitFor(t, shop, 2))
	shop.annotate(t, map[string]string{"touched": "twice"})
	assert.Equal(t, first, c.waitFor(t, shop, 3))

	for _, w := range []*workload{shop, pay} {
		assert.Equal(t, 1, c.tokenRequests(w))
		tokens := e.presented(t, w)
		require.Len(t, tokens, 1)
		assert.Equal(t, []string{exchangeAudience}, []string(tokens[0].Audience))
		assert.Equal(t, 10*time.Minute, tokens[0].Expiry.Sub(tokens[0].IssuedAt), "the shortest lifetime that kube-apiserver issues")
		assert.Empty(t, tokens[0].Kubernetes.Pod)
	}
}

// A tenant that uses another's client ID gets nothing, even while the other's token is cached in
// the same pool.
func TestControllerRefusesAnotherTenantsClientID(t *testing.T) {
	shop, mallory := newWorkload(t), newWorkload(t)
	e := newEntra(t, shop)
	shop.annotate(t, map[string]string{clientIDAnnotation: clientID})
	c := startController(t, e, shop, mallory)
	require.NoError(t, c.waitFor(t, shop, 1).err)

	mallory.annotate(t, map[string]string{clientIDAnnotation: clientID})
	stolen := c.waitFor(t, mallory, 1)

	assert.Empty(t, stolen.token)
	require.Error(t, stolen.err)
	require.Len(t, e.presented(t, mallory), 1, "Entra ID refuses the tenant's own token")
	message := mallory.event(t)
	assert.Contains(t, message, "AADSTS700213")
	assert.Contains(t, message, `the subject of service account "`+mallory.account.Name+`" in namespace "`+mallory.account.Namespace+`"`)
}

// A deleted account's token is forgotten. A new account with the same name starts over.
func TestControllerForgetsDeletedAccount(t *testing.T) {
	shop := newWorkload(t)
	e := newEntra(t, shop)
	shop.annotate(t, map[string]string{clientIDAnnotation: clientID})
	c := startController(t, e, shop)
	old := c.waitFor(t, shop, 1)
	require.NoError(t, old.err)
	known := func() bool {
		for _, key := range c.pool.Status() {
			if key.Subject == shop.subject() {
				return true
			}
		}
		return false
	}
	require.True(t, known())

	accounts := cluster.admin.CoreV1().ServiceAccounts(shop.account.Namespace)
	require.NoError(t, accounts.Delete(t.Context(), shop.account.Name, metav1.DeleteOptions{}))
	require.Eventually(t, func() bool { return !known() }, patience, tick)

	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: shop.account.Name, Annotations: map[string]string{clientIDAnnotation: clientID}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	again := c.waitFor(t, shop, 2)
	require.NoError(t, again.err)
	assert.NotEqual(t, old.token, again.token)
	assert.Equal(t, 2, c.tokenRequests(shop))
}

// Outside the namespaces with its RoleBinding, the manifest gives the controller no account's
// token.
func TestControllerRights(t *testing.T) {
	shop, stranger := newWorkload(t), newWorkload(t)
	e := newEntra(t, shop)
	stranger.annotate(t, map[string]string{clientIDAnnotation: clientID})
	c := startController(t, e, shop)

	assert.Empty(t, c.waitFor(t, stranger, 1).token)
	assert.Empty(t, e.presented(t, stranger))
	assert.Contains(t, stranger.event(t), `serviceaccounts "orders" is forbidden: User "system:serviceaccount:tokenrequest:controller" cannot create resource "serviceaccounts/token"`)

	assert.False(t, c.may(t, "create", "serviceaccounts", "token", "kube-system"))
	assert.False(t, c.may(t, "patch", "serviceaccounts", "", shop.account.Namespace))
	assert.False(t, c.may(t, "get", "secrets", "", shop.account.Namespace))
}
