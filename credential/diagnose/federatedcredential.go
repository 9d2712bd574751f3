package diagnose

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/aadsts"
	"github.com/entrafed/entrafed/internal/hint"
)

// checkExchange signs in. Entra ID judges everything at once here, so what it objects to can be the fault of any link.
func checkExchange(ctx context.Context, w *walk, l *Link) {
	if w.cred == nil {
		l.skip("there is no credential to sign in with")
		return
	}
	if t := w.token; t != nil && !w.bound() { // what a binding's proxy presents is not public
		l.see("must have issuer", t.Issuer)
		l.see("and subject", t.Subject)
		l.see("and audience", strings.Join(t.Audience, " "))
	}
	token, err := w.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{w.scope}})
	if err == nil {
		w.access = token
		l.ok("Entra ID took the token: a federated credential of the identity has just this issuer, subject and audience")
		if w.bound() {
			l.ok("the token proxy of the identity binding took the token")
		}
		return
	}
	if cause := errors.Unwrap(err); cause != nil { // without what was asked for, which the report has
		err = cause
	}
	if refusal, ok := errors.AsType[*exchange.Error](err); ok {
		w.refused(l, refusal, err)
		return
	}
	if w.link(TokenFile).Mark == Failure { // whatever came with the failure
		l.skip("there is no federated token to present")
		return
	}
	w.unanswered(l, err)
}

// bound tells whether requests go to the token proxy of an identity binding.
func (w *walk) bound() bool {
	return w.options.Credential.EnableAzureProxy && env("AZURE_KUBERNETES_TOKEN_PROXY") != ""
}

// unanswered tells why there was no answer, or none of Entra ID's.
func (w *walk) unanswered(l *Link, err error) {
	host := w.cred.Host()
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound && !hint.KnownAuthority(host) {
		w.link(Environment).fail("there is no host "+host, "set AZURE_AUTHORITY_HOST (or Options.Cloud) to the authority of your cloud, as az cloud show has it (endpoints.activeDirectory)")
		l.skip("there is no such host to sign in at")
		return
	}
	l.unreached("no answer of "+host+": "+err.Error(), err, "see that https to that host is possible from here: network policy, firewall, DNS, HTTPS_PROXY")
}

// unreached notes that something did not answer. It may by itself, but not where it is not trusted.
func (l *Link) unreached(problem string, err error, fix string) {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	if untrusted {
		fix = "see which CA certificates are in the container's image (package ca-certificates): a proxy that inspects TLS needs its own there, " +
			"and the token proxy of an identity binding has AZURE_KUBERNETES_CA_FILE"
	}
	l.fail(problem, fix)
	l.Transient = !untrusted
}

// refused tells what Entra ID said, and which link it is about.
func (w *walk) refused(l *Link, refusal *exchange.Error, err error) {
	l.see("answer", strings.TrimSpace(strconv.Itoa(refusal.StatusCode)+" "+refusal.Code))
	said, _, _ := strings.Cut(refusal.Description, " Trace ID: ") // which follow
	l.see("Entra ID said", said)
	l.see("correlation ID", refusal.CorrelationID)
	l.see("trace ID", refusal.TraceID)
	if !refusal.Timestamp.IsZero() {
		l.see("time", refusal.Timestamp.UTC().Format(time.RFC3339))
	}
	h := hint.Of(err)
	at := w.link(linkOf[h.Field])
	if at == nil {
		l.fail(refusal.Error(), unknown(refusal))
		l.Transient = refusal.StatusCode >= http.StatusInternalServerError || refusal.StatusCode == http.StatusTooManyRequests
		return
	}
	at.Transient = passes(refusal)
	at.Findings = nil // what was odd is what Entra ID objects to
	at.fail(h.Cause, h.Fix)
	if at != l {
		l.skip("Entra ID refused the exchange because of the " + string(at.Name))
	}
}

// unknown says what to do about a refusal that nothing is known of.
func unknown(refusal *exchange.Error) string {
	switch {
	case len(refusal.EntraCodes) > 0:
		return fmt.Sprintf("look the code up: https://login.microsoftonline.com/error?code=%d", refusal.EntraCodes[0])
	case refusal.Code != "":
		return "give the IDs above to Entra ID's support"
	}
	return "this is not how Entra ID answers: see what answers in its place, as a proxy or a firewall does, and have it let these requests through"
}

// passes tells whether a refusal is of Entra ID's own troubles.
func passes(refusal *exchange.Error) bool {
	return slices.ContainsFunc(refusal.EntraCodes, func(code int) bool {
		entry, _ := aadsts.Of(code)
		return entry.Passes == aadsts.Overload
	})
}

// linkOf tells where what a refusal is about belongs.
var linkOf = map[aadsts.Field]Name{
	aadsts.ClientID:       Environment,
	aadsts.Tenant:         Environment,
	aadsts.Authority:      Environment,
	aadsts.Region:         Environment,
	aadsts.Binding:        Environment,
	aadsts.Clock:          Environment,
	aadsts.Token:          TokenFile,
	aadsts.ServiceAccount: ServiceAccount,
	aadsts.Audience:       ServiceAccount,
	aadsts.Lifetime:       ServiceAccount,
	aadsts.Issuer:         Issuer,
	aadsts.SigningKey:     Issuer,
	aadsts.Credential:     FederatedCredential,
	aadsts.Subject:        FederatedCredential,
	aadsts.Application:    FederatedCredential,
	aadsts.Policy:         FederatedCredential,
	aadsts.Request:        FederatedCredential,
	aadsts.Service:        FederatedCredential,
	aadsts.Scope:          AccessToken,
}
