package diagnose_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
	"github.com/entrafed/entrafed/internal/webhook"
)

func TestWorkingSetupIsOK(t *testing.T) {
	r := run(t, newPod(t))
	require.Equal(t, diagnose.OK, r.Verdict, r)
	var names []diagnose.LinkName
	for _, l := range r.Links {
		names = append(names, l.Name)
		require.Equal(t, diagnose.Fine, l.Mark, r)
		require.Empty(t, l.Findings, l.Name)
		require.NotEmpty(t, l.Summary, l.Name)
	}
	require.Equal(t, []diagnose.LinkName{
		diagnose.Environment, diagnose.TokenFile, diagnose.ServiceAccount, diagnose.Issuer, diagnose.FederatedCredential, diagnose.AccessToken, diagnose.Resource,
	}, names)
}

// If one thing is wrong, only its link fails, and the finding says how to fix it.
func TestOnlyTheBrokenLinkFails(t *testing.T) {
	for _, layout := range webhook.Layouts() {
		for _, setup := range setups.Setups() {
			t.Run(layout.Version+"/"+setup.Name, func(t *testing.T) {
				p := newPodAs(t, layout)
				require.NoError(t, setup.Break(p))
				setenv(t, p)
				checkFault(t, run(t, p), setup)
			})
		}
	}
}

func checkFault(t *testing.T, r diagnose.Report, setup setups.Setup) {
	t.Helper()
	require.Len(t, r.Faults(), 1, r)
	fault := r.Faults()[0]
	require.Equal(t, setup.Link, string(fault.Name), r)
	require.NotEmpty(t, fault.Findings, r)
	for _, f := range fault.Findings {
		require.NotEmpty(t, f.Problem, r)
		require.True(t, f.Fix != "" || fault.Name == diagnose.Environment, "%s: only problems with variables include their fix", r)
	}
	want := diagnose.Misconfigured
	if setup.Transient {
		want = diagnose.Transient
	}
	require.Equal(t, want, r.Verdict, r)
}

// A local finding that explains the refusal comes first: it is more specific than Entra ID's
// message.
func TestLocalFindingComesFirst(t *testing.T) {
	for name, want := range map[string]string{
		"issuer-names-another":            "they differ only in the slash at the end, which matters",
		"issuer-registered-as-documented": "they differ only in the slash at the end, which matters",
		"issuer-down":                     "answered HTTP 503 Service Unavailable",
		"issuer-hides-its-keys":           "answered HTTP 403 Forbidden",
		"issuer-serves-sign-in-page":      "is not the expected JSON document (media type: text/html)",
		"keys-at-private-address":         `points to keys at "https://172.18.0.2:6443/openid/v1/jwks", which is not a public https URL (kube-apiserver's default)`,
		"key-padded":                      "in an unusable form: its n or e is padded",
		"key-for-encryption":              `in an unusable form: its use is "enc", not sig`,
		"key-as-certificate":              "in an unusable form: it has only a certificate (x5c)",
		"ids-swapped-own-cluster":         "the client ID and the tenant are swapped",
		"token-with-odd-claim":            "sub",

		// No local finding explains these.
		"issuer-gone":              "Entra ID could not fetch",
		"key-not-published":        "not in the issuer's key set",
		"issuer-with-private-name": "not a public https URL",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			setup, ok := setups.Of(name)
			require.True(t, ok)
			require.NoError(t, setup.Break(p))
			setenv(t, p)
			r := run(t, p)
			require.Contains(t, r.Faults()[0].Findings[0].Problem, want, r)
		})
	}
}

// The key set is unusable, but that is not why Entra ID refuses.
func TestUnrelatedLocalFindingIsLeftOut(t *testing.T) {
	p := newPod(t)
	setup, _ := setups.Of("key-padded")
	require.NoError(t, setup.Break(p))
	setup, _ = setups.Of("application-disabled")
	require.NoError(t, setup.Break(p))
	setenv(t, p)
	r := run(t, p)
	require.Len(t, r.Faults(), 1)
	require.Len(t, r.Faults()[0].Findings, 1)
	require.Contains(t, r.Faults()[0].Findings[0].Problem, "is disabled in tenant")
}

// A report about a token from elsewhere does not mention Kubernetes.
func TestKubernetesIsMentionedOnlyForItsTokens(t *testing.T) {
	kubernetes := regexp.MustCompile(`(?i)kube|\baks\b|\bpods?\b|\bmount|projected|webhook|serviceaccount|service account\b[^ ]|azure\.workload\.identity|subPath|sidecar`)
	for _, name := range []string{
		"workflow-unregistered", "workflow-on-another-branch", "repository-in-another-case", "repository-with-ids", "project-by-id", "service-connection-unregistered",
		"issuer-with-private-name",
	} {
		p := newPod(t)
		setup, ok := setups.Of(name)
		require.True(t, ok)
		require.NoError(t, setup.Break(p))
		setenv(t, p)
		for _, l := range run(t, p).Links {
			require.NotRegexp(t, kubernetes, l.Summary, name)
			for _, f := range l.Findings {
				require.NotRegexp(t, kubernetes, f.Problem+f.Fix, name)
			}
		}
	}
}

func TestHTTPProxyIsShown(t *testing.T) {
	p := newPod(t)
	setup, _ := setups.Of("proxy-wants-password")
	require.NoError(t, setup.Break(p))
	setenv(t, p)
	r := run(t, p)
	require.Contains(t, link(t, r, diagnose.Environment).Facts, diagnose.Fact{Name: "HTTP proxy", Value: "proxy.corp.example:3128"})
	require.Contains(t, r.Faults()[0].Findings[0].Fix, "have the proxy proxy.corp.example:3128 allow connections to login.microsoftonline.com")
	require.NotContains(t, r.String(), "hunter2")
}

func TestRefusedConnectionNamesTheSidecar(t *testing.T) {
	p := newPod(t)
	setup, _ := setups.Of("entra-refuses-connections")
	require.NoError(t, setup.Break(p))
	setenv(t, p)
	found := run(t, p).Faults()[0].Findings[0]
	require.Contains(t, found.Problem, "a service mesh's sidecar that is not ready")
	require.Contains(t, found.Fix, "start after the sidecar")
}

func TestNothingConfiguredIsOneFault(t *testing.T) {
	setenv(t, &setups.Pod{})
	r := diagnose.Run(t.Context(), nil)
	require.Equal(t, diagnose.Misconfigured, r.Verdict)
	require.Len(t, r.Faults(), 1)
	report := strings.Join(strings.Fields(r.String()), " ") // without line breaks
	require.Contains(t, report, `azure.workload.identity/use: "true"`)
	require.Contains(t, report, "kube-system")
	for _, l := range r.Links[1:] {
		require.Equal(t, diagnose.NotReached, l.Mark)
		require.NotEmpty(t, l.Summary)
	}
}

func TestCanceledRunStillReports(t *testing.T) {
	p := newPod(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := diagnose.Run(ctx, &diagnose.Options{Credential: p.Options, HTTPClient: p.HTTPClient})
	require.Equal(t, diagnose.Transient, r.Verdict, r)
	require.Equal(t, diagnose.Fine, r.Links[0].Mark, "that check needs no time")
	require.Contains(t, strings.Join(strings.Fields(r.String()), " "), "context canceled")
}

func TestMissingReplyIsTransient(t *testing.T) {
	p := newPod(t)
	p.Options.Transport = failing{errors.New("no route to host")}
	r := run(t, p)
	require.Equal(t, diagnose.Transient, r.Verdict)
	require.Equal(t, diagnose.FederatedCredential, r.Faults()[0].Name)
	require.Contains(t, r.String(), "May clear up on its own: federated credential.")
	require.Contains(t, r.Faults()[0].Findings[0].Fix, "network policy")
}

// An untrusted certificate does not become trusted on its own.
func TestUntrustedCertificateNeedsAFix(t *testing.T) {
	untrusted := failing{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}
	for name, change := range map[diagnose.LinkName]func(*setups.Pod){
		diagnose.FederatedCredential: func(p *setups.Pod) { p.Options.Transport = untrusted },
		diagnose.Resource:            func(p *setups.Pod) { p.HTTPClient = &http.Client{Transport: untrusted} },
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

func TestUnknownRefusalSaysWhereToAsk(t *testing.T) {
	for want, refusal := range map[string]entratest.Reply{
		"https://login.microsoftonline.com/error?code=4242424": entratest.Refuse(4242424),
		"contact Microsoft support with the IDs above":         {Status: 400, Body: `{"error":"invalid_client"}`},
	} {
		p := newPod(t)
		p.Entra.SetReply(&refusal)
		r := run(t, p)
		require.Equal(t, diagnose.Misconfigured, r.Verdict)
		require.Contains(t, r.Faults()[0].Findings[0].Fix, want)
	}
}

// The pod's token is for the token proxy, so the report must not ask anyone to register it.
func TestIdentityBindingNeedsNoFederatedCredential(t *testing.T) {
	p := newPod(t)
	setup, _ := setups.Of("binding-not-enabled")
	require.NoError(t, setup.Break(p))
	p.Options.EnableAzureProxy = true // the fix
	require.NoError(t, p.Entra.Revoke(p.Trusted))
	p.Trusted.Audiences = []string{"api://AKSIdentityBinding"} // the fake's proxy passes the token on unchanged
	require.NoError(t, p.Entra.Trust(p.Trusted))
	setenv(t, p)
	r := run(t, p)
	require.Equal(t, diagnose.OK, r.Verdict, r)
	l := link(t, r, diagnose.FederatedCredential)
	require.Contains(t, l.Summary, "token proxy")
	require.Empty(t, l.Facts)
}

// failing is a transport that always fails.
type failing struct{ err error }

func (f failing) Do(*http.Request) (*http.Response, error)        { return nil, f.err }
func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestDefaultScopeIsTheCloudsResourceManager(t *testing.T) {
	for authority, want := range map[string]string{
		"https://login.microsoftonline.com":        "https://management.azure.com/.default",
		"https://login.microsoftonline.us":         "https://management.usgovcloudapi.net/.default",
		"https://login.partner.microsoftonline.cn": "https://management.chinacloudapi.cn/.default",
		"https://login.stack.example":              "https://management.azure.com/.default",
	} {
		p := newPod(t)
		t.Setenv("AZURE_AUTHORITY_HOST", authority)
		p.Scope, p.Resource = "", ""
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

// Run sends only what its comment promises: one exchange, and requests for the issuer's two
// documents and for the resource with and without the token.
func TestRunSendsFewRequests(t *testing.T) {
	p := newPod(t)
	requests := map[string]int{}
	over(p, func(r *http.Request) *http.Response {
		requests[r.URL.Host]++
		return nil
	})
	run(t, p)
	require.Equal(t, map[string]int{"eastus.oic.prod-aks.azure.com": 2, "orders.vault.azure.net": 2}, requests)
	exchanges := 0
	for _, q := range p.Entra.Requests() {
		if q.Kind == entratest.KindToken {
			exchanges++
		}
	}
	require.Equal(t, 1, exchanges)
}
