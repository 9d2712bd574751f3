package exchange_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// The authority is a cloud's, or a URL of its own. NewClient sends nothing.
func ExampleNewClient() {
	options := &exchange.ClientOptions{}
	options.Cloud = cloud.AzureChina
	client, err := exchange.NewClient(options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Host())
	// Output: login.chinacloudapi.cn
}

// With an identity binding, assertions go to the proxy in the cluster.
func ExampleClient_Host() {
	client, err := exchange.NewClient(&exchange.ClientOptions{
		Authority:       "https://login.microsoftonline.us",
		IdentityBinding: &exchange.IdentityBinding{TokenProxy: "https://proxy.example:8443"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Host())
	// Output: proxy.example:8443
}

// The assertion comes from wherever tokens are issued, here a fake cluster, and goes to Entra ID, here a fake one.
func ExampleClient_Exchange() {
	assertion, err := new(entratest.Cluster).Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		log.Fatal(err)
	}
	options := &exchange.ClientOptions{}
	options.Transport = new(entratest.Server) // leave it out to reach Entra ID
	client, err := exchange.NewClient(options)
	if err != nil {
		log.Fatal(err)
	}
	token, err := client.Exchange(context.Background(), exchange.Request{
		TenantID:  "contoso.onmicrosoft.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"https://vault.azure.net/.default"},
		Assertion: assertion,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Token != "", time.Until(token.ExpiresOn).Round(time.Minute))
	// Output: true 1h0m0s
}

// A request prints, logs and marshals without the assertion, so nothing is lost by logging it.
func ExampleRequest() {
	r := exchange.Request{
		TenantID:  "contoso.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"api://pay/.default"},
		Assertion: "eyJhbGciOiJSUzI1NiJ9.e30.c2VjcmV0",
	}
	fmt.Println(r)
	marshalled, err := json.Marshal(r)
	fmt.Println(string(marshalled), err)
	// Output:
	// {TenantID:contoso.com ClientID:11111111-2222-3333-4444-555555555555 Scopes:[api://pay/.default] Claims: EnableCAE:false CorrelationID: Assertion:[redacted]}
	// {"TenantID":"contoso.com","ClientID":"11111111-2222-3333-4444-555555555555","Scopes":["api://pay/.default"],"Assertion":"[redacted]"} <nil>
}

// A refusal is an Error. Programs branch on its Code and StatusCode.
func ExampleError() {
	var entra entratest.Server
	entra.Enqueue(entratest.Refuse(700016))
	options := &exchange.ClientOptions{}
	options.Transport = &entra // leave it out to reach Entra ID
	client, err := exchange.NewClient(options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Exchange(context.Background(), exchange.Request{
		TenantID:  "contoso.onmicrosoft.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"https://vault.azure.net/.default"},
		Assertion: "header.claims.signature",
	})
	switch refusal, ok := errors.AsType[*exchange.Error](err); {
	case err == nil:
		fmt.Println("signed in")
	case !ok:
		fmt.Println("no reply: the network, or no time left")
	case refusal.StatusCode == http.StatusTooManyRequests:
		fmt.Println("to be left alone for", refusal.RetryAfter)
	default:
		fmt.Println(refusal.StatusCode, refusal.Code, refusal.EntraCodes)
	}
	// Output: 400 unauthorized_client [700016]
}

// All that is wrong comes at once, by the names of the options: a program with settings of its own can say which of those it is.
func ExampleOptionErrors() {
	_, err := exchange.NewClient(&exchange.ClientOptions{
		Authority:       "http://login.microsoftonline.com",
		IdentityBinding: &exchange.IdentityBinding{TokenProxy: "proxy.example"},
	})
	if wrong, ok := errors.AsType[exchange.OptionErrors](err); ok {
		for _, e := range wrong {
			fmt.Println(e.Option)
		}
	}
	// Output:
	// Authority
	// IdentityBinding
}

// A tenant is a GUID or a domain name. Anything else could lead a token elsewhere.
func ExampleValidTenantID() {
	for _, id := range []string{"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "contoso.onmicrosoft.com", "contoso/../fabrikam", ""} {
		fmt.Println(exchange.ValidTenantID(id), id)
	}
	// Output:
	// true aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee
	// true contoso.onmicrosoft.com
	// false contoso/../fabrikam
	// false
}
