package managedidentity_test

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/managedidentity"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A multitenant app signs in to a customer's tenant with the managed identity of its machine. The
// metadata service and Entra ID are fakes here. On Azure, pass nil as the second argument of
// managedidentity.New.
func ExampleNew() {
	machine := newFakeIMDS()
	defer machine.server.Close()
	var entra entratest.Server

	options := credential.Options{
		ClientID: "11111111-2222-4333-8444-555555555555", // the app's
		TenantID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", // the customer's
		Assertion: managedidentity.New("77777777-6666-4555-8444-333333333333", &managedidentity.Options{
			Endpoint: machine.server.URL + tokenPath,
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
