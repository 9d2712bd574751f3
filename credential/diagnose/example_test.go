package diagnose_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// In a pod, Run(ctx, nil) is enough. Here the service account is shop/orders, but the federated
// credential is for another one.
func Example() {
	var entra entratest.Server
	var cluster entratest.Cluster
	err := entra.TrustCluster(&cluster, entratest.FederatedCredential{
		TenantID: "10000000-0000-4000-8000-000000000001",
		ClientID: "11111111-2222-4333-8444-555555555555",
		Subject:  "system:serviceaccount:shop:checkout",
	})
	if err != nil {
		log.Fatal(err)
	}
	report := diagnose.Run(context.Background(), inPod(&entra, &cluster)) // in a pod: nil
	for _, link := range report.Links {
		fmt.Println(link.Mark, "-", link.Name)
	}
	for _, link := range report.Faults() {
		for _, finding := range link.Findings {
			fmt.Println(finding.Problem) // finding.Fix says how to fix it
		}
	}
	// Output:
	// ok - environment
	// ok - token file
	// ok - service account
	// ok - OIDC issuer
	// failure - federated credential
	// not reached - access token
	// no federated credential has the subject of service account "orders" in namespace "shop"
}

// inPod returns options that lead to the fakes. They replace a pod's environment.
func inPod(entra *entratest.Server, cluster *entratest.Cluster) *diagnose.Options {
	options := &diagnose.Options{
		Credential: credential.Options{
			ClientID: "11111111-2222-4333-8444-555555555555",
			TenantID: "10000000-0000-4000-8000-000000000001",
			Assertion: func(context.Context) (string, error) {
				return cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders", Pod: "orders-0"})
			},
		},
		Scope:      "https://vault.azure.net/.default",
		HTTPClient: &http.Client{Transport: cluster}, // the token's issuer is the cluster
	}
	options.Credential.Transport = entra
	return options
}
