package credential_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// In a pod that the workload identity webhook set up, New(nil) is all: an Azure SDK client takes the credential as it is.
// Here the first token of a pod is asked for by hand, with the environment, the token file and Entra ID from package entratest.
func Example() {
	var cluster entratest.Cluster
	assertion, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pod") // in a test: t.TempDir()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "azure-identity-token")
	if err := os.WriteFile(file, []byte(assertion), 0o600); err != nil {
		log.Fatal(err)
	}
	defer environment(map[string]string{ // in a pod, the webhook has done it; in a test: t.Setenv
		"AZURE_CLIENT_ID":            "11111111-2222-4333-8444-555555555555",
		"AZURE_TENANT_ID":            "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		"AZURE_FEDERATED_TOKEN_FILE": file,
	})()
	options := &credential.Options{}
	options.Transport = new(entratest.Server)

	cred, err := credential.New(options) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	token, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a token for", time.Until(token.ExpiresOn).Round(time.Minute))
	// Output: a token for 1h0m0s
}

// environment sets the variables that package credential reads, those that are not given to nothing, and returns what undoes it.
func environment(variables map[string]string) (undo func()) {
	before := map[string]string{}
	for _, name := range []string{
		"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME",
		"AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA",
	} {
		before[name] = os.Getenv(name)
		set(name, variables[name])
	}
	return func() {
		for name, value := range before {
			set(name, value)
		}
	}
}

func set(name, value string) {
	if err := os.Setenv(name, value); err != nil { // a value with a zero byte in it, say
		panic(err)
	}
}

// inPod returns options that lead to a fake Entra ID, with what a pod's environment says. The other examples start from them,
// where a program has credential.New(nil).
func inPod(entra *entratest.Server) *credential.Options {
	options := &credential.Options{
		ClientID: "11111111-2222-4333-8444-555555555555",
		TenantID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Assertion: func(context.Context) (string, error) {
			return new(entratest.Cluster).Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
		},
	}
	options.Transport = entra
	options.Cloud = cloud.AzurePublic
	return options
}
