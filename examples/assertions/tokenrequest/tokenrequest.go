// Package tokenrequest signs a controller in to Microsoft Entra ID as each Kubernetes service
// account that it acts for, with [credential.NewPool]. The federated tokens come from the
// TokenRequest API. The accounts need no pod, and the controller needs no secret. Copy the file. If
// you already have a controller, you need only [Assertion].
//
// # In the cluster
//
// Annotate the accounts as for the workload identity webhook: azure.workload.identity/client-id
// and, unless [Controller.TenantID] applies, azure.workload.identity/tenant-id. Grant the
// controller the permissions in rbac.yaml.
//
// # In Entra ID
//
// The app registration or user-assigned managed identity of each account needs a federated
// credential. Entra ID compares all three values exactly:
//
//	issuer    the cluster's; it must be reachable from Entra ID
//	subject   system:serviceaccount:NAMESPACE:NAME
//	audience  api://AzureADTokenExchange
//
// The subject keeps tenants apart. Anyone can write another tenant's client ID into an annotation,
// but the federated token still has the subject of the annotated account.
//
// # Sources
//
// The request:
// https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/.
// The annotations:
// https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html.
package tokenrequest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"

	"github.com/entrafed/entrafed/credential"
)

const (
	clientIDAnnotation = "azure.workload.identity/client-id"
	tenantIDAnnotation = "azure.workload.identity/tenant-id"

	audience = "api://AzureADTokenExchange"
	lifetime = 10 * time.Minute // the shortest that the API accepts; the token is used immediately

	resync  = 10 * time.Minute // how often unchanged accounts are reconciled
	workers = 8                // how many accounts are reconciled concurrently
)

// Assertion returns a function for [credential.PoolOptions.Assertion]. The function requests a
// token of the service account in the identity's subject from the TokenRequest API. It neither
// caches nor retries. The pool calls it once per exchange, caches the access token and backs off
// after a failure.
func Assertion(client kubernetes.Interface) func(context.Context, credential.Identity) (string, error) {
	return func(ctx context.Context, id credential.Identity) (string, error) {
		account, isAccount := strings.CutPrefix(id.Subject, "system:serviceaccount:")
		namespace, name, ok := strings.Cut(account, ":")
		if !isAccount || !ok {
			return "", fmt.Errorf("tokenrequest: %q is not a service account's subject", id.Subject)
		}
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			Audiences:         []string{audience},
			ExpirationSeconds: new(int64(lifetime.Seconds())),
		}}
		issued, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
		if err != nil {
			return "", fmt.Errorf("tokenrequest: %w", err)
		}
		return issued.Status.Token, nil
	}
}

// Controller acts for each service account with the annotation azure.workload.identity/client-id.
type Controller struct {
	// Client and Pool are required. The pool's Assertion is Assertion(Client).
	Client kubernetes.Interface
	Pool   *credential.Pool

	// TenantID is the tenant of accounts without the annotation azure.workload.identity/tenant-id.
	TenantID string

	// Act does the controller's work for one account. Any Azure SDK client accepts cred. Required.
	// It is called when an account appears or changes, and every 10 minutes. It runs for several
	// accounts concurrently, but never for the same account. It must not modify the account. If it
	// fails, the account gets an event, and Act is called again after a growing pause.
	Act func(ctx context.Context, account *corev1.ServiceAccount, cred *credential.Credential) error

	accounts   listersv1.ServiceAccountLister
	events     record.EventRecorder
	identities sync.Map // cache.ObjectName to its last credential.Identity
}

// Run reconciles accounts until the context ends. Call it once.
func (c *Controller) Run(ctx context.Context) error {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx)) // stops when the context ends
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: c.Client.CoreV1().Events("")})
	c.events = broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "tokenrequest"})

	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]())
	enqueue := func(account any) {
		if name, err := cache.DeletionHandlingObjectToName(account); err == nil {
			queue.Add(name)
		}
	}
	factory := informers.NewSharedInformerFactory(c.Client, resync)
	informer := factory.Core().V1().ServiceAccounts()
	c.accounts = informer.Lister()
	if _, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, account any) { enqueue(account) },
		DeleteFunc: enqueue,
	}); err != nil {
		return err
	}
	factory.StartWithContext(ctx)
	defer factory.Shutdown()
	factory.WaitForCacheSyncWithContext(ctx)

	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { c.work(ctx, queue) })
	}
	<-ctx.Done()
	queue.ShutDown()
	wg.Wait()
	return nil
}

// work reconciles accounts until the queue is shut down.
func (c *Controller) work(ctx context.Context, queue workqueue.TypedRateLimitingInterface[cache.ObjectName]) {
	for {
		name, shutdown := queue.Get()
		if shutdown {
			return
		}
		if err := c.reconcile(ctx, name); err != nil {
			queue.AddRateLimited(name)
		} else {
			queue.Forget(name)
		}
		queue.Done(name)
	}
}

func (c *Controller) reconcile(ctx context.Context, name cache.ObjectName) error {
	account, err := c.accounts.ServiceAccounts(name.Namespace).Get(name.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	var id credential.Identity // zero if the account is gone
	if err == nil {
		id = c.identity(account)
	}
	if last, ok := c.identities.Load(name); ok && last != id {
		c.Pool.Forget(last.(credential.Identity))
		c.identities.Delete(name)
	}
	if id.ClientID == "" {
		return nil
	}
	c.identities.Store(name, id)

	cred, err := c.Pool.For(id)
	if err == nil {
		err = c.Act(ctx, account, cred)
	}
	if err != nil {
		c.events.Event(account, corev1.EventTypeWarning, "ReconcileFailed", summary(err))
	}
	return err
}

// identity returns the identity that the account signs in as. Its ClientID is empty if there is
// none.
func (c *Controller) identity(account *corev1.ServiceAccount) credential.Identity {
	return credential.Identity{
		TenantID: cmp.Or(account.Annotations[tenantIDAnnotation], c.TenantID),
		ClientID: account.Annotations[clientIDAnnotation],
		Subject:  "system:serviceaccount:" + account.Namespace + ":" + account.Name,
	}
}

// summary returns a text that is the same for every attempt of an account that cannot sign in.
// Kubernetes then counts one event instead of storing an event per attempt.
func summary(err error) string {
	if e, ok := errors.AsType[*credential.Error](err); ok {
		return e.Summary()
	}
	return err.Error()
}
