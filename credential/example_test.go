package credential_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// In a pod that the workload identity webhook set up, New(nil) is enough: every Azure SDK client
// accepts the credential. This example requests a pod's first token by hand, with the environment,
// the token file and Entra ID from package entratest.
func Example() {
	dir, err := os.MkdirTemp("", "pod") // in a test: t.TempDir()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	pod, err := entratest.NewPod(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer environment(pod.Env()...)() // in a pod, the webhook does this; in a test: t.Setenv
	options := &credential.Options{}
	options.Transport = pod.Entra

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

// environment sets the variables, each "NAME=value", and clears the others that package credential
// reads. undo restores them all.
func environment(variables ...string) (undo func()) {
	before := map[string]string{}
	for _, name := range []string{
		"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME",
		"AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA",
	} {
		before[name] = os.Getenv(name)
		set(name, "")
	}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		set(name, value)
	}
	return func() {
		for name, value := range before {
			set(name, value)
		}
	}
}

func set(name, value string) {
	if err := os.Setenv(name, value); err != nil { // for example, a value with a zero byte
		panic(err)
	}
}

// inPod returns options that lead to a fake Entra ID, with the settings of a pod's environment. The
// other examples start from them; a program calls credential.New(nil).
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
