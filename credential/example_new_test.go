package credential_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// Options take precedence over the environment. New sends nothing, and does not read the token
// file, which may appear later.
func ExampleNew() {
	options := &credential.Options{
		ClientID:      "11111111-2222-4333-8444-555555555555",
		TenantID:      "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		TokenFilePath: "/var/run/secrets/azure/wi/token/azure-identity-token",
	}
	options.Cloud = cloud.AzureGovernment
	cred, err := credential.New(options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cred)
	// Output: credential for client ID "11111111-2222-4333-8444-555555555555" in tenant "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
}

// A function can supply the federated token instead of a file, for example from GitHub Actions,
// SPIFFE or a managed identity. It is called for each exchange, so it need not cache.
func ExampleNew_assertion() {
	var entra entratest.Server
	var issuer entratest.Cluster
	options := &credential.Options{
		ClientID: "11111111-2222-4333-8444-555555555555",
		TenantID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Assertion: func(context.Context) (string, error) {
			return issuer.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
		},
	}
	options.Transport = &entra // leave it out to reach Entra ID
	cred, err := credential.New(options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	fmt.Println(err)
	// Output: <nil>
}

// One error reports all problems, by the names of variables and options.
func ExampleNew_wrong() {
	defer environment(
		"AZURE_CLIENT_ID=11111111-2222-4333-8444-555555555555",
		"AZURE_TENANT_ID=contoso/common",
		"AZURE_AUTHORITY_HOST=http://login.microsoftonline.com",
	)()
	_, err := credential.New(&credential.Options{TokenFilePath: "/var/run/secrets/azure/wi/token/azure-identity-token"})
	fmt.Println(strings.ReplaceAll(err.Error(), "; ", "\n"))
	// Output:
	// credential: AZURE_TENANT_ID (or Options.TenantID) is "contoso/common", which is neither a GUID nor a domain name: set it to what az account show --query tenantId prints
	// AZURE_AUTHORITY_HOST: authority "http://login.microsoftonline.com" is not an https URL with a host, such as https://host.example
}

// A program that runs in pods and on developers' machines falls back only where no part of a
// workload identity is configured: the error of a broken pod must be visible.
func ExampleNew_fallback() {
	defer environment()() // not in a pod
	newCredential := func() (azcore.TokenCredential, error) {
		cred, err := credential.New(nil)
		if errors.Is(err, credential.ErrNotConfigured) {
			return developer{}, nil // for example azidentity.NewAzureCLICredential(nil)
		}
		return cred, err
	}
	cred, err := newCredential()
	fmt.Printf("%T %v\n", cred, err)
	// Output: credential_test.developer <nil>
}

// developer stands for a credential of azidentity.
type developer struct{ azcore.TokenCredential }

// In a pod with an AKS identity binding, token requests go to a proxy in the cluster, which has its
// own CA and server name. The option is for pods that may have one: without the variables, requests
// go to Entra ID.
func ExampleNew_identityBinding() {
	var entra entratest.Server
	ca, err := entratest.NewCA()
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := ca.Certificate("proxy.ests.aks.example")
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewUnstartedServer(&entratest.TokenProxy{Server: &entra})
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	defer environment(
		"AZURE_KUBERNETES_TOKEN_PROXY="+server.URL,
		"AZURE_KUBERNETES_SNI_NAME=proxy.ests.aks.example",
		"AZURE_KUBERNETES_CA_DATA="+string(ca.PEM()),
	)()

	cred, err := credential.New(&credential.Options{
		ClientID:         "11111111-2222-4333-8444-555555555555",
		TenantID:         "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		EnableAzureProxy: true,
		Assertion: func(context.Context) (string, error) { // in a pod, the file holds such a token
			return new(entratest.Cluster).Token(entratest.TokenRequest{Audiences: []string{"api://AKSIdentityBinding"}})
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("to the proxy:", "https://"+cred.Host() == server.URL)
	fmt.Println("for", entra.Requests()[0].Host)
	// Output:
	// to the proxy: true
	// for login.microsoftonline.com
}
