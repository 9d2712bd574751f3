package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/internal/webhook"
	"github.com/entrafed/entrafed/tokenfile"
)

// runEmit prints what registers the workload whose token it reads. It sends no requests.
func (s *settings) runEmit(ctx context.Context, out, errs io.Writer) (int, error) {
	if !slices.Contains(emit.Forms(), s.emit) {
		return statusUsage, fmt.Errorf("-emit %q is not one of %s", s.emit, strings.Join(emit.Forms(), ", "))
	}
	token, err := s.token(ctx)
	if err != nil {
		return statusMisconfigured, err
	}
	workload := s.workload(token)
	if !strings.HasPrefix(workload.Audience, exchangeAudience) {
		fmt.Fprintf(errs, "doctor: the token's audience is %q, not %s: make sure that this is the right token before you register it\n", workload.Audience, exchangeAudience)
	}
	if hint.ForTokenProxy(token) && s.emit != "kubernetes" && !s.force {
		return statusMisconfigured, fmt.Errorf("the token's audience is %q: it is for the token proxy of an AKS identity binding, which does not need this federated credential; use -force to print it anyway", workload.Audience)
	}
	if hint.Private(workload.Issuer) && !s.force {
		return statusMisconfigured, fmt.Errorf("the token's issuer is %q, which Entra ID cannot reach, so a federated credential for it cannot work: "+
			"%s, or use -force to print it anyway", workload.Issuer, publicIssuer(token))
	}
	if err := emit.Write(out, s.emit, workload); err != nil {
		return statusMisconfigured, err
	}
	if s.emit == "graph" && s.options.Agent != "" {
		fmt.Fprintln(errs, "doctor: for an agent identity blueprint, POST this to "+emit.BlueprintURL+", where ID is the blueprint's object ID")
	}
	return statusOK, nil
}

// publicIssuer says how to get an issuer that Entra ID can reach.
func publicIssuer(t tokenfile.Token) string {
	if t.Kubernetes.Namespace == "" {
		return "give the issuer a public https URL first"
	}
	return "give the cluster a public issuer first (AKS: az aks update --enable-oidc-issuer; kube-apiserver: --service-account-issuer)"
}

// token reads the federated token from the source that the credential would use.
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

// exchangeAudience is the start of every URI for token exchange. Some clouds append to it.
const exchangeAudience = webhook.Audience

func (s *settings) workload(t tokenfile.Token) emit.Workload {
	return emit.Workload{
		ClientID: cmp.Or(s.options.Credential.ClientID, environment("AZURE_CLIENT_ID")), TenantID: cmp.Or(s.options.Credential.TenantID, environment("AZURE_TENANT_ID")),
		Issuer: t.Issuer, Subject: t.Subject, Audience: hint.AudienceToRegister(t, s.authority()),
		Namespace: t.Kubernetes.Namespace, ServiceAccount: t.Kubernetes.ServiceAccount.Name,
	}
}

// authority returns the host of the authority that is set; empty if none is.
func (s *settings) authority() string {
	u, err := url.Parse(cmp.Or(s.options.Credential.Cloud.ActiveDirectoryAuthorityHost, environment(webhook.EnvAuthority)))
	if err != nil {
		return ""
	}
	return u.Host
}

func environment(name string) string { return strings.TrimSpace(os.Getenv(name)) }
