package awssts_test

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/awssts"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A workload on AWS signs in with its role. STS and Entra ID are fakes here. On AWS, pass the
// config from config.LoadDefaultConfig to sts.NewFromConfig.
func ExampleNew() {
	fake := newFakeSTS()
	defer fake.server.Close()
	var entra entratest.Server

	options := credential.Options{
		ClientID:  "11111111-2222-4333-8444-555555555555",
		TenantID:  "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Assertion: awssts.New(fake.client(), nil),
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
