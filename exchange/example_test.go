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

// The authority comes from a cloud configuration or from a URL. NewClient sends nothing.
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

// With an identity binding, assertions go to the in-cluster proxy.
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

// The assertion comes from a token issuer, here a fake cluster, and goes to Entra ID, here a fake
// one.
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

// A request prints, logs and marshals without the assertion, so it is safe to log.
func ExampleRequest() {
	r := exchange.Request{
		TenantID:  "contoso.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"api://pay/.default"},
		Assertion: "eyJhbGciOiJSUzI1NiJ9.e30.c2VjcmV0",
	}
	fmt.Println(r)
	marshaled, err := json.Marshal(r)
	fmt.Println(string(marshaled), err)
	// Output:
	// {TenantID:contoso.com ClientID:11111111-2222-3333-4444-555555555555 Scopes:[api://pay/.default] Claims: EnableCAE:false CorrelationID: Assertion:[redacted] FMIPath: UserAssertion: Username: UserFederatedCredential:}
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
		fmt.Println("no reply: a network error or a timeout")
	case refusal.StatusCode == http.StatusTooManyRequests:
		fmt.Println("throttled for", refusal.RetryAfter)
	default:
		fmt.Println(refusal.StatusCode, refusal.Code, refusal.EntraCodes)
	}
	// Output: 400 unauthorized_client [700016]
}

// The error reports all mistakes at once. A program with its own names for these settings can find
// out which ones are wrong.
func ExampleNewClient_errors() {
	_, err := exchange.NewClient(&exchange.ClientOptions{
		Authority:       "http://login.microsoftonline.com",
		IdentityBinding: &exchange.IdentityBinding{TokenProxy: "proxy.example"},
	})
	fmt.Println(err)
	// Output:
	// exchange: Authority: authority "http://login.microsoftonline.com" is not an https URL with a host, such as https://host.example; IdentityBinding: token proxy "proxy.example" is not an https URL with a host, such as https://host.example
}

// Said is Entra ID's answer; IDs identify the request to its support. A report can put each on its
// own line.
func ExampleError_Said() {
	refusal := &exchange.Error{
		StatusCode: 401, Code: "invalid_client", EntraCodes: []int{70025},
		Description:   "AADSTS70025: The client 'checkout' has no configured federated identity credentials.",
		CorrelationID: "5fe5b0a4-5f2a-4a1f-8f3a-5a0f7b9d3c11",
	}
	fmt.Println(refusal.Said())
	fmt.Println(refusal.IDs())
	// Output:
	// HTTP 401: invalid_client: AADSTS70025: The client 'checkout' has no configured federated identity credentials.
	// correlation ID 5fe5b0a4-5f2a-4a1f-8f3a-5a0f7b9d3c11
}

// If the authority already names a tenant, the URL is wrong.
func ExampleError_URL() {
	options := &exchange.ClientOptions{Authority: "https://login.microsoftonline.com/contoso.com"}
	options.Transport = &entratest.Server{} // leave it out to reach Entra ID
	client, err := exchange.NewClient(options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Exchange(context.Background(), exchange.Request{
		TenantID:  "contoso.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"https://vault.azure.net/.default"},
		Assertion: "header.claims.signature",
	})
	if refusal, ok := errors.AsType[*exchange.Error](err); ok && refusal.Code == "" {
		fmt.Println(refusal.StatusCode, refusal.URL())
	}
	// Output: 404 https://login.microsoftonline.com/contoso.com/contoso.com/oauth2/v2.0/token
}

// With an identity binding, its token proxy receives the requests instead of Entra ID.
func ExampleClient_TokenProxy() {
	for _, binding := range []*exchange.IdentityBinding{nil, {TokenProxy: "https://proxy.example"}} {
		client, err := exchange.NewClient(&exchange.ClientOptions{IdentityBinding: binding})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(client.Host(), client.TokenProxy())
	}
	// Output:
	// login.microsoftonline.com false
	// proxy.example true
}

// The request's fields decide its grant.
func ExampleRequest_Grant() {
	fmt.Println(exchange.Request{Assertion: "…"}.Grant())
	fmt.Println(exchange.Request{Assertion: "…", UserAssertion: "…"}.Grant())
	fmt.Println(exchange.Request{Assertion: "…", Username: "agent@contoso.com", UserFederatedCredential: "…"}.Grant())
	// Output:
	// client_credentials
	// urn:ietf:params:oauth:grant-type:jwt-bearer
	// user_fic
}
