package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/tokenfile"
)

// runReal signs in with the environment that the workload identity webhook set up. It takes the result of credential.New,
// whose error is shown as it is, after the environment that it speaks of.
func runReal(ctx context.Context, out io.Writer, s *settings, cred *credential.Credential, err error) error {
	where := "in this pod"
	if err == nil {
		where += ", against Entra ID at " + cred.Host()
	}
	fmt.Fprintf(out, "entrafed quickstart, real mode: %s.\n\n", where)
	printEnvironment(out)
	if err != nil {
		return err
	}

	start := time.Now()
	access, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{s.scope}})
	if err != nil {
		return err // it names the wrong setting, or what was presented and what Entra ID said; it holds no secret
	}
	exchanged := time.Since(start)

	file, err := readTokenFile(ctx, environment("AZURE_FEDERATED_TOKEN_FILE"))
	if err != nil {
		return err
	}
	me := identity{clientID: environment("AZURE_CLIENT_ID"), tenantID: environment("AZURE_TENANT_ID")}
	drawChain(out, file, me, access, exchanged)
	log := journal{out: out}
	log.title()
	log.step(exchanged, "GetToken for %s: read the token file, sent one POST.", s.scope)
	log.step(file.took, "Read the token file once more, to show here what is in it.")
	return nil
}

// environment returns a variable's value as package credential takes it.
func environment(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// printEnvironment shows what the webhook configured: paths and IDs, nothing secret.
func printEnvironment(out io.Writer) {
	path := environment("AZURE_FEDERATED_TOKEN_FILE")
	if path != "" {
		path = tokenfile.New(path).String() // hides a token that was put in the place of the path
	}
	for _, v := range []fact{
		{"AZURE_CLIENT_ID", environment("AZURE_CLIENT_ID")},
		{"AZURE_TENANT_ID", environment("AZURE_TENANT_ID")},
		{"AZURE_FEDERATED_TOKEN_FILE", path},
		{"AZURE_AUTHORITY_HOST", environment("AZURE_AUTHORITY_HOST")},
	} {
		fmt.Fprintf(out, "  %-26s  %s\n", v.name, printable(cmp.Or(v.value, "(not set)")))
	}
	fmt.Fprintln(out)
}
