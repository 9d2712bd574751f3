package diagnose

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/guid"
	"github.com/entrafed/entrafed/internal/hint"
)

const noCredential = "there is no credential to sign in with"

// checkExchange signs in. Entra ID checks everything at once here, so any link can be at fault for
// a refusal.
func checkExchange(ctx context.Context, w *walk, l *Link) {
	if w.cred == nil {
		l.skip(noCredential)
		return
	}
	if t := w.token; t != nil && !w.cred.TokenProxy() { // the token that a binding's proxy presents is unknown
		l.see("required issuer", t.Issuer)
		l.see("required subject", t.Subject)
		l.see("required audience", hint.AudienceToRegister(*t, w.cred.Host()))
	}
	token, err := w.signIn.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{w.scope}})
	failed, _ := errors.AsType[*credential.Error](err)
	_, refused := errors.AsType[*exchange.Error](err)
	if err == nil || w.options.Agent != "" && refused && failed.Step() == "" {
		l = w.accepted(l, err == nil)
	}
	if err == nil {
		w.access = token
		return
	}
	cause := err
	for step := failed; step != nil; step, _ = errors.AsType[*credential.Error](cause) {
		cause = step.Unwrap() // without the request's IDs and scope, which the report already has
	}
	if refusal, ok := errors.AsType[*exchange.Error](cause); ok {
		w.refused(ctx, l, refusal, cause)
		return
	}
	if w.link(TokenFile).Mark == Failure { // a source may return a token along with its error
		l.skip("there is no federated token to present")
		return
	}
	w.unanswered(l, cause)
}

// accepted records that Entra ID accepted the federated token. With an agent, it also records that
// the blueprint's token was issued and, if all is true, that Entra ID accepted that one too. It
// returns the link of the last exchange.
func (w *walk) accepted(l *Link, all bool) *Link {
	l.ok("Entra ID accepted the token: a federated credential of the identity has its issuer, subject and audience")
	if w.cred.TokenProxy() {
		l.ok("the identity binding's token proxy accepted the token")
	}
	if w.options.Agent == "" {
		return l
	}
	w.link(BlueprintToken).ok("Entra ID issued the blueprint's token for the agent")
	agent := w.link(AgentToken)
	if all {
		agent.ok("Entra ID accepted the blueprint's token from the agent")
	}
	return agent
}

// checkStep marks a link of an agent's exchanges that checkExchange did not reach.
func checkStep(_ context.Context, w *walk, l *Link) {
	why := "the exchange before it did not succeed"
	if w.cred == nil {
		why = noCredential
	}
	if l.Mark == NotReached && l.Summary == "" {
		l.skip(why)
	}
}

// unanswered explains why no reply arrived, or none from Entra ID.
func (w *walk) unanswered(l *Link, err error) {
	host := w.cred.Host()
	if from, ok := errors.AsType[interface {
		error
		FederatedToken() string
	}](err); ok { // though checkTokenFile could read it
		file := w.link(TokenFile)
		file.fail("the federated token could not be read again for the exchange: "+from.Error(), "find out why "+from.FederatedToken()+" failed the second time")
		file.Transient = outOfTime(from)
		l.skip("there was no federated token to present")
		return
	}
	h := hint.OfFailure(err, hint.Endpoint{Host: host, Binding: w.cred.TokenProxy()})
	switch h.Field {
	case hint.Proxy:
		l.fail(h.Cause, h.Fix)
		return
	case hint.Authority, hint.Binding:
		w.link(linkOf[h.Field]).fail(h.Cause, h.Fix)
		l.skip(host + " was not found")
		return
	}
	fix := "check that https to that host works from here: network policy, firewall, DNS, HTTPS_PROXY"
	problem := err.Error()
	if !strings.HasPrefix(problem, "no token from "+host) {
		problem = "no reply from " + host + ": " + problem
	}
	if h.Cause != "" {
		problem, fix = problem+": "+h.Cause, h.Fix
	}
	final := l.unreached(problem, err, fix)
	if final && w.proxy != "" {
		l.Findings[len(l.Findings)-1].Fix = "have the proxy " + w.proxy + " allow connections to " + host + ", with user and password in HTTPS_PROXY if it requires them; " +
			"or, if the host is reachable without the proxy, add it to NO_PROXY; if the proxy inspects TLS, the program needs its CA certificate"
	}
}

// unreached records that a host did not reply. final means that retrying will not help.
func (l *Link) unreached(problem string, err error, fix string) (final bool) {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	if h := hint.OfFailure(err, hint.Endpoint{}); untrusted {
		fix = h.Fix
	}
	_, final = errors.AsType[interface {
		error
		NonRetriable()
	}](err) // package exchange marks such errors
	l.fail(problem, fix)
	l.Transient = !untrusted && !final
	return !l.Transient
}

// refused records Entra ID's refusal and attributes it to a link.
func (w *walk) refused(ctx context.Context, l *Link, refusal *exchange.Error, err error) {
	l.see("answer", strings.TrimSpace(strconv.Itoa(refusal.StatusCode)+" "+refusal.Code))
	l.see("Entra ID said", refusal.Description)
	l.see("correlation ID", refusal.CorrelationID)
	l.see("trace ID", refusal.TraceID)
	if !refusal.Timestamp.IsZero() {
		l.see("time", refusal.Timestamp.UTC().Format(time.RFC3339))
	}
	h := hint.Of(err)
	at, known := w.blame(ctx, l, refusal, h)
	if at == nil && l.Name == FederatedCredential && w.options.Agent != "" {
		l.skip("Entra ID refused the request for the blueprint's token, which says nothing about the federated credential")
		l = w.link(BlueprintToken)
	}
	if at == nil {
		status := refusal.StatusCode
		l.Transient = status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
		l.fail(refusal.Error(), unknown(refusal, l.Transient))
		return
	}
	at.Transient = passes(refusal)
	at.Findings = nil // earlier findings did not cause this refusal
	for _, c := range known {
		at.fail(c.Problem, c.Fix)
	}
	if !slices.ContainsFunc(at.Findings, func(f Finding) bool { return f.Fix == h.Fix }) {
		at.fail(h.Cause, h.Fix)
	}
	if at != l {
		l.skip("Entra ID refused the exchange because of the " + string(at.Name))
	}
}

// blame returns the link at fault for a refusal at l, or nil, and the findings that explain it.
func (w *walk) blame(ctx context.Context, l *Link, refusal *exchange.Error, h hint.Hint) (at *Link, known []cause) {
	at = w.link(linkOf[h.Field])
	if l.Name == AgentToken { // the exchange before this one has proven the earlier links right
		if at != nil && at.Mark == Fine {
			at = l
		}
		return at, nil
	}
	known = w.explaining(refusal.EntraCodes)
	if len(known) == 0 && slices.Contains(refusal.EntraCodes, 90002) && w.swapped(ctx) {
		found := Finding{"the client ID and the tenant are swapped: the client ID is a tenant at " + w.cred.Host(), hint.Unswap}
		known = []cause{{found, w.link(Environment), nil}}
	}
	if len(known) > 0 {
		at = known[0].link
	}
	return at, known
}

// explaining returns the findings that explain one of the codes, from the first link that has any.
func (w *walk) explaining(codes []int) []cause {
	for _, l := range w.links {
		found := slices.DeleteFunc(slices.Clone(l.causes), func(c cause) bool {
			return !slices.ContainsFunc(codes, func(code int) bool { return slices.Contains(c.codes, code) })
		})
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// swapped reports whether the client ID is the ID of a tenant.
func (w *walk) swapped(ctx context.Context) bool {
	id := w.cred.ClientID()
	if !guid.Is(id) || strings.EqualFold(id, w.cred.TenantID()) || w.cred.TokenProxy() {
		return false
	}
	r, err := w.fetch(ctx, "https://"+w.cred.Host()+"/"+id+"/v2.0/.well-known/openid-configuration", "")
	return err == nil && r.status == http.StatusOK
}

// unknown returns the fix for a refusal that package hint does not know.
func unknown(refusal *exchange.Error, transient bool) string {
	switch {
	case transient && refusal.RetryAfter > 0:
		return "wait as long as the reply asks: until " + fromNow(time.Now().Add(refusal.RetryAfter))
	case refusal.StatusCode == http.StatusTooManyRequests:
		return "wait a few minutes; create one Credential per identity and share it"
	case refusal.StatusCode == http.StatusRequestTimeout || transient && refusal.Code != "":
		return "wait and try again; see https://azure.status.microsoft for the status of Entra ID"
	case len(refusal.EntraCodes) > 0:
		return fmt.Sprintf("look the code up: https://login.microsoftonline.com/error?code=%d", refusal.EntraCodes[0])
	case refusal.Code != "":
		return "contact Microsoft support with the IDs above"
	}
	return "Entra ID does not usually answer like this: find what answers instead, such as a proxy or a firewall, and have it let these requests through"
}

// passes reports whether Entra ID refused because it is overloaded or down.
func passes(refusal *exchange.Error) bool {
	return slices.ContainsFunc(refusal.EntraCodes, func(code int) bool {
		entry, _ := hint.Lookup(code)
		return entry.Passes == hint.Overload
	})
}

// linkOf maps the field of a hint to the link at fault.
var linkOf = map[hint.Field]LinkName{
	hint.ClientID:       Environment,
	hint.Tenant:         Environment,
	hint.Authority:      Environment,
	hint.Region:         Environment,
	hint.Binding:        Environment,
	hint.Clock:          Environment,
	hint.Token:          TokenFile,
	hint.ServiceAccount: ServiceAccount,
	hint.Audience:       ServiceAccount,
	hint.Lifetime:       ServiceAccount,
	hint.Issuer:         Issuer,
	hint.SigningKey:     Issuer,
	hint.Credential:     FederatedCredential,
	hint.Subject:        FederatedCredential,
	hint.Application:    FederatedCredential,
	hint.Policy:         FederatedCredential,
	hint.Request:        FederatedCredential,
	hint.Service:        FederatedCredential,
	hint.Scope:          AccessToken,
}
