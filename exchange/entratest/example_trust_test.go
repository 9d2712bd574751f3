package entratest_test

import (
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// checkout is the federated credential of the workload that signIn stands for.
var checkout = entratest.FederatedCredential{
	TenantID: "contoso.com",
	ClientID: "11111111-2222-3333-4444-555555555555",
	Issuer:   entratest.DefaultIssuer,
	Subject:  "system:serviceaccount:shop:checkout",
}

// setUp returns an Entra ID that trusts a cluster's service account, the cluster, and a token of
// that account.
func setUp() (entra *entratest.Server, cluster *entratest.Cluster, assertion string) {
	entra, cluster = new(entratest.Server), new(entratest.Cluster)
	if err := entra.TrustCluster(cluster, checkout); err != nil {
		panic(err)
	}
	assertion, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		panic(err)
	}
	return entra, cluster, assertion
}

// Once a credential is registered, the server judges tokens as Entra ID does: signature, issuer,
// subject, audience and times. Nothing leaves the process.
func ExampleServer_TrustCluster() {
	var entra entratest.Server
	var cluster entratest.Cluster
	err := entra.TrustCluster(&cluster, entratest.FederatedCredential{
		TenantID: "contoso.com",
		ClientID: "11111111-2222-3333-4444-555555555555",
		Subject:  "system:serviceaccount:shop:checkout",
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, account := range []string{"checkout", "Checkout", "orders"} {
		assertion, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: account})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(signIn(&entra, assertion))
	}
	// Output:
	// <nil>
	// AADSTS7002138: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:Checkout'
	// AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:orders'
}

// Trust refuses what Entra ID would refuse. The error lists everything that is wrong.
func ExampleServer_Trust() {
	var entra entratest.Server
	err := entra.Trust(entratest.FederatedCredential{
		TenantID:  "contoso.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Name:      "checkout",
		Issuer:    "http://issuer.example",
		Subject:   "system:serviceaccount:shop:checkout",
		Audiences: []string{"api://AzureADTokenExchange", "second"},
	})
	fmt.Println(strings.ReplaceAll(err.Error(), ": ", ":\n"))
	// Output:
	// entratest:
	// federated credential "checkout" of client "11111111-2222-3333-4444-555555555555" in tenant "contoso.com":
	// the Issuer "http://issuer.example" is not an https URL; there are 2 Audiences; a federated credential has exactly one
}

// The federated credential is removed.
func ExampleServer_Revoke() {
	entra, _, assertion := setUp()
	if err := entra.Revoke(checkout); err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(entra, assertion))
	// Output:
	// AADSTS70025: The client '11111111-2222-3333-4444-555555555555'(11111111-2222-3333-4444-555555555555) has no configured federated identity credentials
}

// The application has no federated credential yet.
func ExampleServer_AddApplication() {
	var entra entratest.Server
	if err := entra.AddApplication("contoso.com", "11111111-2222-3333-4444-555555555555"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(&entra, token()))
	// Output:
	// AADSTS70025: The client '11111111-2222-3333-4444-555555555555'(11111111-2222-3333-4444-555555555555) has no configured federated identity credentials
}

// The application is disabled.
func ExampleServer_SetDisabled() {
	entra, _, assertion := setUp()
	if err := entra.SetDisabled("contoso.com", "11111111-2222-3333-4444-555555555555", true); err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(entra, assertion))
	// Output:
	// AADSTS7000112: Application '11111111-2222-3333-4444-555555555555'(11111111-2222-3333-4444-555555555555) is disabled
}

// The tenant knows storage but not Key Vault.
func ExampleServer_AllowResource() {
	entra, _, assertion := setUp()
	entra.AllowResource("https://storage.azure.com")
	fmt.Println(signIn(entra, assertion))
	// Output: AADSTS500011: The resource principal named https://vault.azure.net was not found in the tenant named contoso.com
}

// A Conditional Access policy of the tenant blocks the application.
func ExampleServer_SetPolicy() {
	entra, _, assertion := setUp()
	if err := entra.SetPolicy("contoso.com", entratest.Policy{BlockedClients: []string{"11111111-2222-3333-4444-555555555555"}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(entra, assertion))
	// Output: AADSTS53003: Access has been blocked by Conditional Access policies
}

// The tenant is in the US Government cloud, but the code signs in to the public cloud.
func ExampleServer_SetCloud() {
	entra, _, assertion := setUp()
	if err := entra.SetCloud("contoso.com", "login.microsoftonline.us"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(entra, assertion))
	// Output: AADSTS900382: Confidential Client is not supported in Cross Cloud request
}

// The clocks differ by more than the five minutes that Entra ID tolerates, so the token looks
// expired.
func ExampleServer_clockSkew() {
	entra, _, assertion := setUp()
	entra.ClockSkew = 2 * time.Hour
	err := signIn(entra, assertion)
	fmt.Println(err.Error()[:len("AADSTS700024: Client assertion is not within its valid time range")])
	// Output: AADSTS700024: Client assertion is not within its valid time range
}
