package githubactions_test

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/githubactions"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A job signs in. GitHub and Entra ID are fakes here. In a workflow, Assertion:
// githubactions.New(nil) is enough.
func ExampleNew() {
	github := newFakeActions()
	defer github.server.Close()
	for name, value := range github.environment() {
		_ = os.Setenv(name, value)
		defer func() { _ = os.Unsetenv(name) }()
	}
	var entra entratest.Server

	options := credential.Options{
		ClientID:  "11111111-2222-4333-8444-555555555555",
		TenantID:  "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Assertion: githubactions.New(&githubactions.Options{Client: github.server.Client()}),
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

// If the workflow lacks the permission, the error says so.
func ExampleNew_permission() {
	_ = os.Unsetenv("ACTIONS_ID_TOKEN_REQUEST_URL")
	_, err := githubactions.New(nil)(context.Background())
	fmt.Println(err)
	// Output:
	// githubactions: ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN are not both set: give the workflow or the job "permissions: id-token: write"
}
