package googlemetadata_test

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/googlemetadata"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// An instance signs in with its service account. The metadata server and Entra ID are fakes here.
// On Google Cloud, Assertion: googlemetadata.New(nil) is enough.
func ExampleNew() {
	instance := newFakeServer()
	defer instance.server.Close()
	var entra entratest.Server

	options := credential.Options{
		ClientID:  "11111111-2222-4333-8444-555555555555",
		TenantID:  "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Assertion: googlemetadata.New(&googlemetadata.Options{Endpoint: instance.server.URL + tokenPath}),
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
