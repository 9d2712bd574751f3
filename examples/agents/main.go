// Agents signs in to Microsoft Entra ID without a secret as two agent identities of one blueprint,
// on behalf of a user, and as an agent's user account. It runs anywhere, because the cluster and
// Entra ID are fakes in the process.
//
//	go run ./examples/agents
//
// In a pod, credential.New(nil) returns the blueprint's credential. Nothing else changes. The
// program prints no token and no part of one.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	ordersAgent  = "22222222-3333-4444-8555-666666666666"
	returnsAgent = "33333333-4444-4555-8666-777777777777"

	vault = "https://vault.azure.net/.default"
	mail  = "https://graph.microsoft.com/Mail.Read"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "agents takes no arguments and no flags")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "agents-")
	if err != nil {
		return fmt.Errorf("making a temporary directory (TMPDIR): %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover temporary directory does no harm
	pod, err := newPod(dir)
	if err != nil {
		return err
	}
	options := &credential.Options{ClientID: pod.ClientID, TenantID: pod.TenantID, TokenFilePath: pod.TokenFile}
	options.Transport = pod.Entra
	blueprint, err := credential.New(options)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The blueprint is %s. Its pod has a federated token.\n", pod.ClientID)
	return show(ctx, out, pod, blueprint)
}

// newPod returns a pod whose identity is the blueprint of two agents. One agent has a user account.
func newPod(dir string) (*entratest.Pod, error) {
	pod, err := entratest.NewPod(dir, nil)
	if err != nil {
		return nil, err
	}
	for id, username := range map[string]string{ordersAgent: "orders-agent@contoso.com", returnsAgent: ""} {
		agent := entratest.Agent{TenantID: pod.TenantID, BlueprintID: pod.ClientID, ClientID: id, Username: username}
		if err := pod.Entra.AddAgent(agent); err != nil {
			return nil, err
		}
	}
	return pod, nil
}

// show gets a token in each way and prints the requests that it took.
func show(ctx context.Context, out io.Writer, pod *entratest.Pod, blueprint *credential.Credential) error {
	orders, err := blueprint.Agent(ordersAgent)
	if err != nil {
		return err
	}
	returns, err := blueprint.Agent(returnsAgent)
	if err != nil {
		return err
	}
	account, err := orders.AsUser("orders-agent@contoso.com")
	if err != nil {
		return err
	}
	// An API receives this token in the Authorization header of a user's request.
	received, err := pod.Entra.IssueUserToken(entratest.UserToken{TenantID: pod.TenantID, Audience: pod.ClientID, Username: "mia@contoso.com"})
	if err != nil {
		return err
	}
	mia, err := returns.OnBehalfOf(received)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		title string
		cred  *credential.Credential
		scope string
	}{
		{"The orders agent as itself", orders, vault},
		{"Again, from the cache", orders, vault},
		{"The returns agent as itself", returns, vault},
		{"The returns agent on behalf of mia@contoso.com", mia, mail},
		{"The orders agent's user account", account, mail},
	} {
		fmt.Fprintf(out, "\n%s\n", step.title)
		pod.Entra.ForgetRequests()
		token, err := step.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{step.scope}})
		if err != nil {
			return err
		}
		printRequests(out, pod)
		claims, err := pod.Entra.VerifyToken(token.Token, "")
		if err != nil {
			return err
		}
		printClaims(out, claims)
	}
	return nil
}

// printRequests prints the fields of each request. For secrets, it prints only the field's name.
func printRequests(out io.Writer, pod *entratest.Pod) {
	for i, r := range pod.Entra.Requests() {
		fmt.Fprintf(out, "  POST %d\n", i+1)
		for _, field := range []string{"client_id", "fmi_path", "grant_type", "scope", "username"} {
			if value := r.Form.Get(field); value != "" {
				fmt.Fprintf(out, "    %-36s%s\n", field, value)
			}
		}
		for _, field := range []string{"client_assertion", "assertion", "user_federated_identity_credential"} {
			if r.Form.Has(field) {
				fmt.Fprintf(out, "    %-36s%s\n", field, "(a token)")
			}
		}
	}
}

func printClaims(out io.Writer, claims map[string]any) {
	fmt.Fprintln(out, "  access token")
	for _, name := range []string{"aud", "appid", "azp", "xms_par_app_azp", "idtyp", "upn", "scp"} {
		if value, ok := claims[name]; ok {
			fmt.Fprintf(out, "    %-36s%v\n", name, value)
		}
	}
}
