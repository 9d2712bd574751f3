package entratest_test

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A Pod is all that a test needs for a program that signs in. In a test, dir is t.TempDir().
func ExampleNewPod() {
	dir, err := os.MkdirTemp("", "pod")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pod, err := entratest.NewPod(dir, nil)
	if err != nil {
		panic(err)
	}
	cred, err := credential.New(&credential.Options{
		ClientOptions: azcore.ClientOptions{Transport: pod.Entra},
		ClientID:      pod.ClientID, TenantID: pod.TenantID, TokenFilePath: pod.TokenFile,
		PropagationTimeout: -1, // do not retry the refusal below
	})
	if err != nil {
		panic(err)
	}
	vault := policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}
	_, err = cred.GetToken(context.Background(), vault)
	fmt.Println("signed in:", err == nil)

	// Break the trust and see how the program reacts.
	if err := pod.Entra.Revoke(pod.Trusted); err != nil {
		panic(err)
	}
	storage := policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}}
	_, err = cred.GetToken(context.Background(), storage)
	fmt.Println("refused:", err != nil)
	// Output:
	// signed in: true
	// refused: true
}

// A program in another process gets the environment variables that the webhook injects.
func ExamplePod_Env() {
	dir, err := os.MkdirTemp("", "pod")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pod, err := entratest.NewPod(dir, &entratest.PodOptions{ClientID: "checkout", TenantID: "contoso.com"})
	if err != nil {
		panic(err)
	}
	for _, v := range pod.Env()[:2] {
		fmt.Println(v)
	}
	// Output:
	// AZURE_CLIENT_ID=checkout
	// AZURE_TENANT_ID=contoso.com
}
