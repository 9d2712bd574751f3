package credential_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// Azure SDK clients call GetToken before each request. A cached token is returned at once.
func ExampleCredential_GetToken() {
	var entra entratest.Server
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		token, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(token.Token != "", "after", len(entra.Requests()), "request")
	}
	// Output:
	// true after 1 request
	// true after 1 request
	// true after 1 request
}

// Programs branch on the status and on Error.Code, which RFC 6749 defines. AADSTS codes may change;
// they are for people.
func ExampleCredential_GetToken_refused() {
	var entra entratest.Server
	entra.Enqueue(entratest.Refuse(7000112))
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})

	refusal, refused := errors.AsType[*exchange.Error](err)
	switch {
	case err == nil:
		fmt.Println("signed in")
	case !refused:
		fmt.Println("no answer: the token file, the network or our own deadline")
	case refusal.StatusCode == http.StatusTooManyRequests:
		fmt.Println("Entra ID wants a pause of", refusal.RetryAfter)
	case refusal.Code == "invalid_client", refusal.Code == "unauthorized_client":
		fmt.Println("Entra ID does not take this workload for the identity:", refusal.Code, refusal.EntraCodes)
	default:
		fmt.Println("Entra ID refused:", refusal.Code)
	}
	// Output: Entra ID does not take this workload for the identity: invalid_client [7000112]
}

// An error is one line for logs. For people, %+v prints a block; this example shows the end of it.
func ExampleCredential_GetToken_explained() {
	var entra entratest.Server
	entra.Enqueue(entratest.Refuse(7000112))
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	for line := range strings.Lines(fmt.Sprintf("%+v", err)) {
		if strings.Contains(line, "likely cause:") || strings.Contains(line, "fix:") {
			fmt.Print(strings.TrimLeft(line, " "))
		}
	}
	// Output:
	// likely cause: the application with client ID "11111111-2222-4333-8444-555555555555" is disabled in tenant "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	// fix:          enable it in the portal (Enterprise applications, Properties, Enabled for users to sign in) or with az ad sp update --id "11111111-2222-4333-8444-555555555555" --set accountEnabled=true
}

// A caller waits no longer than its own context allows. The exchange goes on, for other callers and
// for the next call.
func ExampleCredential_GetToken_deadline() {
	var entra entratest.Server
	entra.SetDelay(20 * time.Millisecond)
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	vault := policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = cred.GetToken(ctx, vault)
	fmt.Println("out of time:", errors.Is(err, context.DeadlineExceeded))
	_, err = cred.GetToken(context.Background(), vault)
	fmt.Println(len(entra.Requests()), "request", err)
	// Output:
	// out of time: true
	// 1 request <nil>
}

// A token for another tenant: the application must be known there, and the option must allow it.
func ExampleCredential_GetToken_tenant() {
	var entra entratest.Server
	options := inPod(&entra)
	options.AdditionallyAllowedTenants = []string{"fabrikam.com"}
	cred, err := credential.New(options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{
		Scopes:   []string{"https://vault.azure.net/.default"},
		TenantID: "fabrikam.com",
	})
	fmt.Println(entra.Requests()[0].Path, err)
	// Output: /fabrikam.com/oauth2/v2.0/token <nil>
}

// Azure SDK clients answer claims challenges themselves. Other code answers one like this; the new
// token replaces the cached one for all callers.
func ExampleCredential_GetToken_claims() {
	var entra entratest.Server
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{
		Scopes: []string{"https://graph.microsoft.com/.default"},
		// Claims are decoded from the challenge's base64.
		Claims:    `{"access_token":{"nbf":{"essential":true,"value":"1767225600"}}}`,
		EnableCAE: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(entra.Requests()[0].Claims)
	// Output: {"access_token":{"nbf":{"essential":true,"value":"1767225600"},"xms_cc":{"values":["CP1"]}}}
}

// A program can run the exchanges that it will need while it starts. GetToken waits for those that
// have not finished.
func ExampleCredential_Prefetch() {
	var entra entratest.Server
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	// Azure SDK clients also set EnableCAE.
	vault := policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}, EnableCAE: true}
	if err := cred.Prefetch(vault); err != nil {
		log.Fatal(err)
	}
	// Read the configuration, open the listeners, …
	_, err = cred.GetToken(context.Background(), vault)
	fmt.Println(len(entra.Requests()), "request", err)
	// Output: 1 request <nil>
}

// Host is for messages and for network policies: where this pod sends its federated token.
func ExampleCredential_Host() {
	cred, err := credential.New(inPod(new(entratest.Server))) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cred.ClientID(), "of", cred.TenantID(), "signs in at", cred.Host())
	fmt.Println("through the token proxy of an identity binding:", cred.TokenProxy())
	// Output:
	// 11111111-2222-4333-8444-555555555555 of aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee signs in at login.microsoftonline.com
	// through the token proxy of an identity binding: false
}
