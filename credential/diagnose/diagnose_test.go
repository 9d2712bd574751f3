package diagnose_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/broken"
)

func TestRightSetupIsOK(t *testing.T) {
	r := run(t, newPod(t))
	require.Equal(t, diagnose.OK, r.Verdict, r)
	var names []diagnose.Name
	for _, l := range r.Links {
		names = append(names, l.Name)
		require.Equal(t, diagnose.Fine, l.Mark, r)
		require.Empty(t, l.Findings, l.Name)
		require.NotEmpty(t, l.Summary, l.Name)
	}
	require.Equal(t, []diagnose.Name{
		diagnose.Environment, diagnose.TokenFile, diagnose.ServiceAccount, diagnose.Issuer, diagnose.FederatedCredential, diagnose.AccessToken, diagnose.Resource,
	}, names)
}

// Whatever one thing is wrong, just the link that it is in fails, with what to do about it.
func TestBrokenLinkIsNamedAndNoOther(t *testing.T) {
	for _, setup := range broken.Setups() {
		t.Run(setup.Name, func(t *testing.T) {
			p := newPod(t)
			require.NoError(t, setup.Break(p))
			setenv(t, p)
			r := run(t, p)
			require.Len(t, r.Faults(), 1, r)
			fault := r.Faults()[0]
			require.Equal(t, setup.Link, string(fault.Name), r)
			require.NotEmpty(t, fault.Findings, r)
			for _, f := range fault.Findings {
				require.NotEmpty(t, f.Problem, r)
				require.True(t, f.Fix != "" || fault.Name == diagnose.Environment, "%s: the variables' problems say how to mend them", r)
			}
			want := diagnose.Misconfigured
			if setup.Transient {
				want = diagnose.Transient
			}
			require.Equal(t, want, r.Verdict, r)
		})
	}
}

func TestNothingConfiguredIsOneFault(t *testing.T) {
	for _, name := range broken.EnvNames() {
		t.Setenv(name, "")
	}
	r := diagnose.Run(t.Context(), nil)
	require.Equal(t, diagnose.Misconfigured, r.Verdict)
	require.Len(t, r.Faults(), 1)
	require.Contains(t, r.String(), `azure.workload.identity/use: "true"`)
	require.Contains(t, r.String(), "kube-system")
	for _, l := range r.Links[1:] {
		require.Equal(t, diagnose.NotReached, l.Mark)
		require.NotEmpty(t, l.Summary)
	}
}

func TestContextThatEndsLeavesAReport(t *testing.T) {
	p := newPod(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := diagnose.Run(ctx, &diagnose.Options{Credential: p.Options, HTTPClient: p.HTTPClient})
	require.Equal(t, diagnose.Transient, r.Verdict, r)
	require.Equal(t, diagnose.Fine, r.Links[0].Mark, "that needs no time")
	require.Contains(t, r.String(), "context canceled")
}

func TestNoAnswerIsTransient(t *testing.T) {
	p := newPod(t)
	p.Options.Transport = failing{errors.New("no route to host")}
	r := run(t, p)
	require.Equal(t, diagnose.Transient, r.Verdict)
	require.Equal(t, diagnose.FederatedCredential, r.Faults()[0].Name)
	require.Contains(t, r.String(), "May pass by itself: federated credential.")
	require.Contains(t, r.Faults()[0].Findings[0].Fix, "network policy")
}

// What is not trusted today is not tomorrow.
func TestCertificateThatIsNotTrustedHasToBeMended(t *testing.T) {
	untrusted := failing{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}
	for name, change := range map[diagnose.Name]func(*broken.Pod){
		diagnose.FederatedCredential: func(p *broken.Pod) { p.Options.Transport = untrusted },
		diagnose.Resource:            func(p *broken.Pod) { p.HTTPClient = &http.Client{Transport: untrusted} },
	} {
		p := newPod(t)
		change(p)
		r := run(t, p)
		require.Equal(t, diagnose.Misconfigured, r.Verdict, r)
		require.Equal(t, name, r.Faults()[0].Name)
		require.Contains(t, r.Faults()[0].Findings[0].Problem, "certificate signed by unknown authority")
		require.Contains(t, r.Faults()[0].Findings[0].Fix, "ca-certificates")
	}
}

func TestRefusalThatIsNotKnownSaysWhereToAsk(t *testing.T) {
	for want, refusal := range map[string]entratest.Reply{
		"https://login.microsoftonline.com/error?code=4242424": entratest.Refuse(4242424),
		"give the IDs above to Entra ID's support":             {Status: 400, Body: `{"error":"invalid_client"}`},
	} {
		p := newPod(t)
		p.Entra.SetReply(&refusal)
		r := run(t, p)
		require.Equal(t, diagnose.Misconfigured, r.Verdict)
		require.Contains(t, r.Faults()[0].Findings[0].Fix, want)
	}
}

// Nobody is told to register the token of the pod, which is for the proxy.
func TestIdentityBindingNeedsNoFederatedCredentialForThePodsToken(t *testing.T) {
	p := newPod(t)
	setup, _ := broken.Of("binding-not-enabled")
	require.NoError(t, setup.Break(p))
	p.Options.EnableAzureProxy = true // which mends it
	registered := entratest.FederatedCredential{
		TenantID: p.Env["AZURE_TENANT_ID"], ClientID: p.Env["AZURE_CLIENT_ID"],
		Issuer: entratest.DefaultIssuer, Subject: "system:serviceaccount:shop:orders",
	}
	require.NoError(t, p.Entra.Revoke(registered))
	registered.Audiences = []string{"api://AKSIdentityBinding"} // for the fake's proxy, which passes the token on
	require.NoError(t, p.Entra.Trust(registered))
	setenv(t, p)
	r := run(t, p)
	require.Equal(t, diagnose.OK, r.Verdict, r)
	l := link(t, r, diagnose.FederatedCredential)
	require.Contains(t, l.Summary, "token proxy")
	require.Empty(t, l.Facts)
}

// failing is a transport without an answer.
type failing struct{ err error }

func (f failing) Do(*http.Request) (*http.Response, error)        { return nil, f.err }
func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestScopeIsThatOfTheCloudsManagement(t *testing.T) {
	for authority, want := range map[string]string{
		"https://login.microsoftonline.com":        "https://management.azure.com/.default",
		"https://login.microsoftonline.us":         "https://management.usgovcloudapi.net/.default",
		"https://login.partner.microsoftonline.cn": "https://management.chinacloudapi.cn/.default",
		"https://login.stack.example":              "https://management.azure.com/.default",
	} {
		p := newPod(t)
		t.Setenv("AZURE_AUTHORITY_HOST", authority)
		p.Scope = ""
		require.Contains(t, link(t, run(t, p), diagnose.Environment).Facts, diagnose.Fact{Name: "scope", Value: want})
	}
}

func TestGraphTokenWithoutRolesIsAWarning(t *testing.T) {
	p := newPod(t)
	p.Entra.AllowResource("https://graph.microsoft.com")
	p.Scope, p.Resource = "https://graph.microsoft.com/.default", ""
	l := link(t, run(t, p), diagnose.AccessToken)
	require.Equal(t, diagnose.Warning, l.Mark)
	require.Contains(t, l.Findings[0].Problem, "no roles")
}

// Only Run pays for a diagnosis: one exchange, and the two documents of the issuer.
func TestRunSendsAsLittleAsItSays(t *testing.T) {
	p := newPod(t)
	requests := map[string]int{}
	over(p, func(r *http.Request) *http.Response {
		requests[r.URL.Host]++
		return nil
	})
	run(t, p)
	require.Equal(t, map[string]int{"eastus.oic.prod-aks.azure.com": 2, "orders.vault.azure.net": 1}, requests)
	exchanges := 0
	for _, q := range p.Entra.Requests() {
		if q.Kind == entratest.KindToken {
			exchanges++
		}
	}
	require.Equal(t, 1, exchanges)
}
