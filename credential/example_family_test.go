package credential_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	ordersAgent  = "22222222-3333-4444-5555-666666666666"
	returnsAgent = "33333333-4444-5555-6666-777777777777"
)

// blueprint is a pod that signs in as an agent identity blueprint with two agents. In a program,
// credential.New(nil) creates the credential.
func blueprint() (*credential.Credential, *entratest.Pod) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	pod, err := entratest.NewPod(dir, &entratest.PodOptions{TenantID: "contoso.com"})
	if err != nil {
		panic(err)
	}
	for _, agent := range []entratest.Agent{
		{TenantID: pod.TenantID, BlueprintID: pod.ClientID, ClientID: ordersAgent, Username: "orders-agent@contoso.com"},
		{TenantID: pod.TenantID, BlueprintID: pod.ClientID, ClientID: returnsAgent},
	} {
		if err := pod.Entra.AddAgent(agent); err != nil {
			panic(err)
		}
	}
	options := &credential.Options{ClientID: pod.ClientID, TenantID: pod.TenantID, TokenFilePath: pod.TokenFile}
	options.Transport = pod.Entra
	cred, err := credential.New(options)
	if err != nil {
		panic(err)
	}
	return cred, pod
}

// Two agents of one blueprint. All of an agent's requests share the blueprint's token for it.
func ExampleCredential_Agent() {
	cred, pod := blueprint()
	for _, id := range []string{ordersAgent, returnsAgent} {
		agent, err := cred.Agent(id)
		if err != nil {
			log.Fatal(err)
		}
		for _, scope := range []string{"https://vault.azure.net/.default", "https://storage.azure.com/.default"} {
			if _, err := agent.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope}}); err != nil {
				log.Fatal(err)
			}
		}
	}
	fmt.Println(len(pod.Entra.Requests()), "token requests for two agents with two scopes each")
	// Output: 6 token requests for two agents with two scopes each
}

// The blueprint, not the agent, is blocked by a Conditional Access policy.
func ExampleError_Step() {
	cred, pod := blueprint()
	pod.Entra.Enqueue(entratest.Refuse(53003))
	agent, err := cred.Agent(ordersAgent)
	if err != nil {
		log.Fatal(err)
	}
	_, err = agent.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	if refused, ok := errors.AsType[*credential.Error](err); ok {
		fmt.Println("failed:", refused.Step())
	}
	// Output: failed: the blueprint's token for the agent
}

// An API calls another one on behalf of the user who called it. It needs no secret.
func ExampleCredential_OnBehalfOf() {
	cred, pod := blueprint()
	sent, err := pod.Entra.IssueUserToken(entratest.UserToken{TenantID: pod.TenantID, Audience: pod.ClientID, Username: "mia@contoso.com"})
	if err != nil {
		log.Fatal(err)
	}

	// In a handler: sent is what follows "Bearer " in the request's Authorization header. Verify it
	// first.
	user, err := cred.OnBehalfOf(sent)
	if err != nil {
		log.Fatal(err)
	}
	token, err := user.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/User.Read"}})
	if refusal, ok := errors.AsType[*exchange.Error](err); ok && refusal.Code == "interaction_required" {
		fmt.Println("answer 401 with the claims", refusal.Claims)
	} else if err != nil {
		log.Fatal(err)
	}
	claims, err := pod.Entra.VerifyToken(token.Token, "https://graph.microsoft.com")
	fmt.Println(claims["upn"], claims["scp"], err)
	// Output: mia@contoso.com User.Read <nil>
}

// An agent that has a mailbox and a calendar, for example, has its own user account.
func ExampleCredential_AsUser() {
	cred, pod := blueprint()
	agent, err := cred.Agent(ordersAgent)
	if err != nil {
		log.Fatal(err)
	}
	account, err := agent.AsUser("orders-agent@contoso.com")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := account.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/Mail.Read"}}); err != nil {
		log.Fatal(err)
	}
	for _, request := range pod.Entra.Requests() {
		fmt.Println(request.Form.Get("grant_type"), request.Scope)
	}
	// Output:
	// client_credentials api://AzureADTokenExchange/.default
	// client_credentials api://AzureADTokenExchange/.default
	// user_fic https://graph.microsoft.com/Mail.Read
}

// One identity signs in as an application of another tenant that has a federated credential for it.
func ExampleCredential_Assertion() {
	identity, pod := blueprint() // any credential
	assertion, err := identity.Assertion(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	claims, err := pod.Entra.VerifyToken(assertion, "")
	if err != nil {
		log.Fatal(err)
	}
	app := entratest.FederatedCredential{
		TenantID: "fabrikam.com", ClientID: "44444444-5555-6666-7777-888888888888",
		Issuer: claims["iss"].(string), Subject: claims["sub"].(string),
	}
	if err := pod.Entra.Trust(app); err != nil {
		log.Fatal(err)
	}

	options := &credential.Options{ClientID: app.ClientID, TenantID: app.TenantID, Assertion: identity.Assertion}
	options.Transport = pod.Entra
	cred, err := credential.New(options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	fmt.Println(cred, err)
	// Output: credential for client ID "44444444-5555-6666-7777-888888888888" in tenant "fabrikam.com" <nil>
}
