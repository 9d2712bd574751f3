package azurepipelines_test

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/azurepipelines"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A job signs in as its service connection. Azure DevOps and Entra ID are fakes here. In a
// pipeline, pass nil as the second argument of azurepipelines.New.
func ExampleNew() {
	pipelines := newFakePipelines()
	defer pipelines.server.Close()
	for name, value := range pipelines.environment() {
		_ = os.Setenv(name, value)
		defer func() { _ = os.Unsetenv(name) }()
	}
	var entra entratest.Server

	options := credential.Options{
		ClientID: "11111111-2222-4333-8444-555555555555", // the service connection's
		TenantID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Assertion: azurepipelines.New("22222222-3333-4444-8555-666666666666", &azurepipelines.Options{
			Client: pipelines.server.Client(),
		}),
	}
	options.Transport = &entra
	cred, err := credential.New(&options)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed in:", token.Token != "")
	// Output:
	// signed in: true
}
