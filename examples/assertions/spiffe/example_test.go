package spiffe_test

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/assertions/spiffe"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A workload with a SPIFFE ID signs in. The agent and Entra ID are fakes here. Where
// SPIFFE_ENDPOINT_SOCKET is set, spiffe.New(nil) is enough.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	agent, err := newFakeAgent(dir)
	if err != nil {
		panic(err)
	}
	defer agent.server.Stop()
	var entra entratest.Server

	source, err := spiffe.New(&spiffe.Options{Socket: agent.socket})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = source.Close() }()
	options := credential.Options{
		ClientID:  "11111111-2222-4333-8444-555555555555",
		TenantID:  "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		Assertion: source.Assertion,
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
