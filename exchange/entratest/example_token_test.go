package entratest_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// An API whose manifest says requestedAccessTokenVersion 2 gets tokens of version 2.0, for its application ID.
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
		TenantID:  "contoso.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"api://orders/.default"},
		Assertion: token(),
	})
	if err != nil {
		log.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(access.Token, claims); err != nil { // the API verifies it, by the keys of Do
		log.Fatal(err)
	}
	fmt.Println(claims["ver"], claims["aud"], claims["iss"])
	// Output: 2.0 99999999-8888-4777-8666-555555555555 https://login.microsoftonline.com/contoso.com/v2.0
}

// A client that sends its requests to the endpoint of a region (AZURE_REGIONAL_AUTHORITY_NAME) is refused there, as most are.
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
