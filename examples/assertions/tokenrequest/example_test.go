package tokenrequest_test

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/tokenrequest"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A controller signs in as each annotated account. The cluster and Entra ID are fakes here. In a
// pod, make client from rest.InClusterConfig.
func ExampleController() {
	client := fake.NewClientset(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "app", Annotations: map[string]string{clientID: "11111111-2222-4333-8444-555555555555"},
	}})
	serveTokenRequests(client, new(entratest.Cluster))

	options := &credential.PoolOptions{Assertion: tokenrequest.Assertion(client)}
	options.Transport = new(entratest.Server) // omit to reach Entra ID
	pool, err := credential.NewPool(options)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	controller := &tokenrequest.Controller{
		Client: client, Pool: pool, TenantID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Act: func(ctx context.Context, account *corev1.ServiceAccount, cred *credential.Credential) error {
			// An Azure SDK client takes cred and makes this call.
			token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
			fmt.Println(account.Namespace, "signed in:", token.Token != "")
			cancel()
			return err
		},
	}
	if err := controller.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: shop signed in: true
}
