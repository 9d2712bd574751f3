package entratest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A Server is a transport that needs no socket and no certificates. Apart from the transport, the
// code under test (here signIn) is the same as in production.
func Example() {
	var cluster entratest.Cluster
	assertion, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		log.Fatal(err)
	}
	var entra entratest.Server
	fmt.Println(signIn(&entra, assertion))
	for _, seen := range entra.Requests() {
		fmt.Println(seen.Kind, seen.Host, seen.TenantID, seen.Scope)
	}
	// Output:
	// <nil>
	// token login.microsoftonline.com contoso.com https://vault.azure.net/.default
}

// signIn stands for the code under test: it exchanges a federated token for an access token. With
// an Azure SDK client, the transport goes into the credential's ClientOptions.
func signIn(transport policy.Transporter, assertion string) error {
	options := &exchange.ClientOptions{}
	options.Transport = transport
	options.Retry.MaxRetries = -1
	client, err := exchange.NewClient(options)
	if err != nil {
		return err
	}
	_, err = client.Exchange(context.Background(), exchange.Request{
		TenantID:  "contoso.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"https://vault.azure.net/.default"},
		Assertion: assertion,
	})
	if refusal, ok := errors.AsType[*exchange.Error](err); ok {
		sentence, _, _ := strings.Cut(refusal.Description, ". ")
		return errors.New(cmp.Or(strings.TrimSuffix(sentence, "."), http.StatusText(refusal.StatusCode)))
	}
	return err
}
