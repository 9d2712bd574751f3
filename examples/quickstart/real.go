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
	"github.com/entrafed/entrafed/internal/redact"
)

// runReal signs in with the environment that the workload identity webhook set up. It takes the
// result of credential.New, and prints the environment before the unchanged error.
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
		return err // it names the wrong setting, or the presented claims and Entra ID's reply; it holds no secret
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
	log.step(exchanged, "GetToken for %s: read the token file and exchanged the token.", s.scope)
	log.step(file.took, "Read the token file again to show its content.")
	return nil
}

// environment returns a variable's value as package credential reads it.
func environment(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// printEnvironment shows what the webhook configured: paths and IDs. It hides passwords and tokens
// that were set by mistake.
func printEnvironment(out io.Writer) {
	for _, v := range []fact{
		{"AZURE_CLIENT_ID", environment("AZURE_CLIENT_ID")},
		{"AZURE_TENANT_ID", environment("AZURE_TENANT_ID")},
		{"AZURE_FEDERATED_TOKEN_FILE", environment("AZURE_FEDERATED_TOKEN_FILE")},
		{"AZURE_AUTHORITY_HOST", environment("AZURE_AUTHORITY_HOST")},
	} {
		fmt.Fprintf(out, "  %-26s  %s\n", v.name, printable(cmp.Or(redact.URL(v.value), "(not set)")))
	}
	fmt.Fprintln(out)
}
