package entratest_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// An API whose manifest has requestedAccessTokenVersion 2 receives v2.0 tokens, with its
// application ID as audience.
func ExampleServer_IssueV2() {
	var entra entratest.Server
	entra.IssueV2("api://orders", "99999999-8888-4777-8666-555555555555")
	options := &exchange.ClientOptions{}
	options.Transport = &entra
	client, err := exchange.NewClient(options)
	if err != nil {
		log.Fatal(err)
	}
	access, err := client.Exchange(context.Background(), exchange.Request{
		TenantID:  "22222222-3333-4444-8555-666666666666",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"api://orders/.default"},
		Assertion: token(),
	})
	if err != nil {
		log.Fatal(err)
	}
	claims, err := entra.VerifyToken(access.Token, "99999999-8888-4777-8666-555555555555")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims["ver"], claims["aud"], claims["iss"])
	// Output: 2.0 99999999-8888-4777-8666-555555555555 https://login.microsoftonline.com/22222222-3333-4444-8555-666666666666/v2.0
}

// Entra rotates its signing keys. A token signed with the old key stays valid at first.
func ExampleServer_RotateKey() {
	var entra entratest.Server
	before, err := entra.IssueUserToken(entratest.UserToken{TenantID: "contoso.com", Audience: "api://orders"})
	if err != nil {
		log.Fatal(err)
	}
	entra.RotateKey()
	_, err = entra.VerifyToken(before, "api://orders")
	fmt.Println("old token:", err)
	// Output: old token: <nil>
}

// Once Entra stops publishing the old key, tokens signed with it no longer verify.
func ExampleServer_DropOldKeys() {
	var entra entratest.Server
	before, err := entra.IssueUserToken(entratest.UserToken{TenantID: "contoso.com", Audience: "api://orders"})
	if err != nil {
		log.Fatal(err)
	}
	entra.RotateKey()
	entra.DropOldKeys()
	_, err = entra.VerifyToken(before, "api://orders")
	fmt.Println("old token:", err != nil)
	// Output: old token: true
}

// A regional endpoint (AZURE_REGIONAL_AUTHORITY_NAME) refuses the client, as it does most clients.
func ExampleServer_refuseRegions() {
	entra := &entratest.Server{RefuseRegions: true}
	options := &exchange.ClientOptions{Region: "westeurope"}
	options.Transport = entra
	client, err := exchange.NewClient(options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Exchange(context.Background(), exchange.Request{
		TenantID:  "contoso.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"https://vault.azure.net/.default"},
		Assertion: token(),
	})
	if refusal, ok := errors.AsType[*exchange.Error](err); ok {
		fmt.Println(client.Host(), refusal.EntraCodes)
	}
	// Output: westeurope.login.microsoft.com [100007]
}
