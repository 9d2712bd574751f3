package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// The assertion comes from wherever tokens are issued, here a fake cluster, and goes to Entra ID, here a fake one.
func ExampleClient_Exchange() {
	var entra entratest.Server
	options := &exchange.ClientOptions{}
	options.Transport = &entra // leave it out to reach Entra ID
	client, err := exchange.NewClient(options)
	if err != nil {
		panic(err)
	}
	assertion, err := new(entratest.Cluster).Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		panic(err)
	}
	token, err := client.Exchange(context.Background(), exchange.Request{
		TenantID:  "contoso.onmicrosoft.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"https://vault.azure.net/.default"},
		Assertion: assertion,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(client.Host(), token.Token != "", time.Until(token.ExpiresOn).Round(time.Minute))
	// Output:
	// login.microsoftonline.com true 1h0m0s
}

// A refusal is an Error. Programs branch on its Code and StatusCode; EntraCodes are for hints.
func ExampleError() {
	var entra entratest.Server
	entra.Enqueue(entratest.Refuse(700016))
	options := &exchange.ClientOptions{}
	options.Transport = &entra
	client, err := exchange.NewClient(options)
	if err != nil {
		panic(err)
	}
	_, err = client.Exchange(context.Background(), exchange.Request{
		TenantID:  "contoso.onmicrosoft.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"https://vault.azure.net/.default"},
		Assertion: "header.claims.signature",
	})
	if refusal, ok := errors.AsType[*exchange.Error](err); ok {
		fmt.Println(refusal.StatusCode, refusal.Code, refusal.EntraCodes)
		if refusal.Has(700016) {
			fmt.Println("Is the client ID in this tenant?")
		}
	}
	// Output:
	// 400 unauthorized_client [700016]
	// Is the client ID in this tenant?
}
