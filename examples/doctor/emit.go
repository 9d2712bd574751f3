package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/tokenfile"
)

// runEmit prints what registers the workload whose token is in the file. It asks nobody.
func (s *settings) runEmit(ctx context.Context, out, errs io.Writer) (int, error) {
	if !slices.Contains(emit.Forms(), s.emit) {
		return statusUsage, fmt.Errorf("-emit %q is none of %s", s.emit, strings.Join(emit.Forms(), ", "))
	}
	token, err := s.token(ctx)
	if err != nil {
		return statusMisconfigured, err
	}
	workload := s.workload(token)
	if !strings.HasPrefix(workload.Audience, exchangeAudience) {
		fmt.Fprintf(errs, "doctor: the token's audience is %q, not %s: make sure that it is the right token before you register it\n", workload.Audience, exchangeAudience)
	}
	if err := emit.Write(out, s.emit, workload); err != nil {
		return statusMisconfigured, err
	}
	return statusOK, nil
}

// token reads the federated token from where the credential would.
func (s *settings) token(ctx context.Context) (tokenfile.Token, error) {
	read := s.options.Credential.Assertion
	if read == nil {
		path := environment("AZURE_FEDERATED_TOKEN_FILE")
		if path == "" {
			return tokenfile.Token{}, errors.New("AZURE_FEDERATED_TOKEN_FILE is not set: run this where the workload runs")
		}
		read = tokenfile.New(path).Assertion
	}
	raw, err := read(ctx)
	if err != nil {
		return tokenfile.Token{}, err
	}
	return tokenfile.Parse(strings.TrimSpace(raw))
}

// exchangeAudience is what audiences for Entra ID begin with: those of some clouds go on.
const exchangeAudience = "api://AzureADTokenExchange"

func (s *settings) workload(t tokenfile.Token) emit.Workload {
	wl := emit.Workload{
		ClientID: cmp.Or(s.options.Credential.ClientID, environment("AZURE_CLIENT_ID")), TenantID: cmp.Or(s.options.Credential.TenantID, environment("AZURE_TENANT_ID")),
		Issuer: t.Issuer, Subject: t.Subject,
		Namespace: t.Kubernetes.Namespace, ServiceAccount: t.Kubernetes.ServiceAccount.Name,
	}
	for _, audience := range t.Audience { // a credential has one
		if wl.Audience == "" || strings.HasPrefix(audience, exchangeAudience) {
			wl.Audience = audience
		}
	}
	return wl
}

func environment(name string) string { return strings.TrimSpace(os.Getenv(name)) }
