package chain_test

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/entrafed/entrafed/examples/azuresdk/chain"
)

// developer replaces azidentity.NewAzureCLICredential, which needs a signed-in az.
type developer struct{}

func (developer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	fmt.Println("the developer's credential signs in")
	return azcore.AccessToken{Token: "developer's"}, nil
}

// On a developer's machine no workload identity is configured, so the chain tries its next member.
func ExampleNew() {
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"} {
		_ = os.Unsetenv(name)
	}
	workload, err := chain.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	cred, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{workload, developer{}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	fmt.Println("error:", err)
	// Output:
	// the developer's credential signs in
	// error: <nil>
}
