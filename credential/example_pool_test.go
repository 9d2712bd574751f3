package credential_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// tenants returns a cluster whose service accounts each sign in as their own identity, and a pool
// for the controller that acts for them. In a program, Assertion calls the Kubernetes TokenRequest
// API.
func tenants(names ...string) (*credential.Pool, *entratest.Server) {
	entra, cluster := new(entratest.Server), new(entratest.Cluster)
	for _, name := range names {
		id := identityOf(name)
		trusted := entratest.FederatedCredential{TenantID: id.TenantID, ClientID: id.ClientID, Subject: id.Subject}
		if err := entra.TrustCluster(cluster, trusted); err != nil {
			panic(err)
		}
	}
	options := &credential.PoolOptions{
		PropagationTimeout: -1, // so that the example does not wait for refusals to clear up
		Assertion: func(_ context.Context, id credential.Identity) (string, error) {
			account := strings.Split(id.Subject, ":") // system, serviceaccount, namespace, name
			return cluster.Token(entratest.TokenRequest{Namespace: account[2], ServiceAccount: account[3]})
		},
	}
	options.Transport = entra // leave it out to reach Entra ID
	pool, err := credential.NewPool(options)
	if err != nil {
		panic(err)
	}
	return pool, entra
}

func identityOf(tenant string) credential.Identity {
	return credential.Identity{TenantID: "contoso.com", ClientID: tenant + "-client", Subject: "system:serviceaccount:" + tenant + ":app"}
}

// A controller creates a credential for each reconcile. Equal identities share everything.
func ExampleNewPool() {
	pool, entra := tenants("shop", "pay")
	for range 3 {
		for _, tenant := range []string{"shop", "pay"} {
			cred, err := pool.For(identityOf(tenant))
			if err != nil {
				log.Fatal(err)
			}
			if _, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}); err != nil {
				log.Fatal(err)
			}
		}
	}
	fmt.Println(len(entra.Requests()), "token requests")
	// Output: 2 token requests
}

// The environment does not supply missing fields of an identity.
func ExamplePool_For() {
	pool, _ := tenants("shop")
	cred, err := pool.For(identityOf("shop"))
	fmt.Println(cred, err)
	_, err = pool.For(credential.Identity{TenantID: "contoso.com", Subject: "system:serviceaccount:shop:app"})
	fmt.Println(err)
	// Output:
	// credential for client ID "shop-client" in tenant "contoso.com" with subject "system:serviceaccount:shop:app" <nil>
	// credential: Identity.ClientID is empty
}

// When a tenant is deleted, the pool drops everything about it.
func ExamplePool_Forget() {
	pool, _ := tenants("shop", "pay")
	for _, tenant := range []string{"shop", "pay"} {
		cred, err := pool.For(identityOf(tenant))
		if err != nil {
			log.Fatal(err)
		}
		if _, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}); err != nil {
			log.Fatal(err)
		}
	}
	pool.Forget(identityOf("shop"))
	for _, key := range pool.Status() {
		fmt.Println(key.ClientID, key.Subject, "ready:", key.Ready())
	}
	// Output: pay-client system:serviceaccount:pay:app ready: true
}

// A debugging page of a controller shows every identity's keys.
func ExamplePool_Status() {
	pool, _ := tenants("shop")
	for _, tenant := range []string{"shop", "pay"} { // Entra ID knows only the first
		cred, err := pool.For(identityOf(tenant))
		if err != nil {
			log.Fatal(err)
		}
		_, _ = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	}
	for _, key := range pool.Status() {
		fmt.Println(key.ClientID, "ready:", key.Ready(), key.Code, key.EntraCodes)
	}
	// Output:
	// pay-client ready: false unauthorized_client [700016]
	// shop-client ready: true  []
}

// A status condition must not change from attempt to attempt, or each would trigger the next
// reconcile.
func ExampleError_Summary() {
	pool, _ := tenants("shop")
	cred, err := pool.For(credential.Identity{TenantID: "contoso.com", ClientID: "shop-client", Subject: "system:serviceaccount:pay:app"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	if e, ok := errors.AsType[*credential.Error](err); ok {
		code, _, _ := strings.Cut(e.Summary(), ";")
		fmt.Println(code)
		fmt.Println(e.Cause())
		fmt.Println("how to fix it is known:", e.Fix() != "")
	}
	// Output:
	// AADSTS700213 invalid_client
	// no federated credential has the subject of service account "app" in namespace "pay"
	// how to fix it is known: true
}
