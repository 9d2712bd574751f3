package setups_test

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// patient is a broken pod and its original state.
type patient struct {
	pod
	environment map[string]string
	trusted     entratest.FederatedCredential
	neighbor    *entratest.Cluster // the cluster of another workload with the same identity
	history     string             // all fixes followed so far
}

// remedy applies a fix literally.
type remedy struct {
	says  string // a regular expression
	apply func(t *testing.T, p *patient, values []string)
}

var remedies = []remedy{
	// The federated credential.
	{`create a federated credential with issuer "(.+?)", subject "(.+?)", audience "(.+?)"`, func(t *testing.T, p *patient, values []string) {
		require.NoError(t, p.Entra.Trust(entratest.FederatedCredential{
			TenantID: p.Env["AZURE_TENANT_ID"], ClientID: p.Env["AZURE_CLIENT_ID"], Issuer: values[1], Subject: values[2], Audiences: values[3:4],
		}))
	}},
	{`set that credential's audience to "(.+?)"`, func(t *testing.T, p *patient, values []string) {
		require.NoError(t, p.Entra.Revoke(p.trusted))
		p.trusted.Audiences = values[1:2]
		require.NoError(t, p.Entra.Trust(p.trusted))
	}},
	{`az ad sp update --id "(.+?)" --set accountEnabled=true`, func(t *testing.T, p *patient, values []string) {
		require.NoError(t, p.Entra.SetDisabled(p.Env["AZURE_TENANT_ID"], values[1], false))
	}},

	// The token.
	{`(?:present|project) a token for (api://\S+?)(?:[;,]| \(|$)`, projecting},
	{`volume with the audience (api://\S+?)(?:[;,]|$)`, projecting},
	{`the managed identity for (api://\S+) `, func(t *testing.T, p *patient, _ []string) { // it is registered by then
		p.project(t, entratest.TokenRequest{})
	}},
	{`lower azure\.workload\.identity/service-account-token-expiration \(at most 86400\)`, func(t *testing.T, p *patient, _ []string) {
		p.project(t, entratest.TokenRequest{Lifetime: 86400 * time.Second})
	}},
	{`mount the projected volume itself|project a serviceAccountToken volume, as|pass the token exactly as its issuer wrote it|return a new token on each call|have the token's issuer (?:write|leave)|` +
		`give the issuer an RSA key|have the issuer add iat`, func(t *testing.T, p *patient, _ []string) {
		p.project(t, entratest.TokenRequest{})
	}},
	{`set the clock`, func(t *testing.T, p *patient, _ []string) {
		p.Entra.ClockSkew = 0
		p.project(t, entratest.TokenRequest{})
	}},
	{`kube-apiserver's --service-account-issuer and --service-account-jwks-uri to their URLs`, func(t *testing.T, p *patient, _ []string) {
		p.Cluster = &entratest.Cluster{Issuer: "https://public.shop.example"}
		require.NoError(t, p.Entra.TrustCluster(p.Cluster)) // readable from outside
		p.project(t, entratest.TokenRequest{})
	}},

	// The environment and the options.
	{`set Options\.EnableAzureProxy \(AZURE_KUBERNETES_TOKEN_PROXY is already set\)`, func(t *testing.T, p *patient, _ []string) {
		p.Options.EnableAzureProxy = true
		require.NoError(t, p.Entra.Revoke(p.trusted))
		p.trusted.Audiences = []string{"api://AKSIdentityBinding"} // the fake's proxy passes the token on unchanged
		require.NoError(t, p.Entra.Trust(p.trusted))
	}},
	{`turn off Options\.EnableAzureProxy`, func(_ *testing.T, p *patient, _ []string) { p.Options.EnableAzureProxy = false }},
	{`swap AZURE_CLIENT_ID and AZURE_TENANT_ID`, func(_ *testing.T, p *patient, _ []string) {
		p.Env["AZURE_CLIENT_ID"], p.Env["AZURE_TENANT_ID"] = p.Env["AZURE_TENANT_ID"], p.Env["AZURE_CLIENT_ID"]
	}},
	{`set AZURE_AUTHORITY_HOST \(or Options\.Cloud\) to (https://\S+)`, func(_ *testing.T, p *patient, values []string) {
		p.Env["AZURE_AUTHORITY_HOST"] = values[1]
	}},
	{`set AZURE_AUTHORITY_HOST \(or Options\.Cloud\) to the authority of the identity's cloud`, func(_ *testing.T, p *patient, _ []string) {
		p.Env["AZURE_AUTHORITY_HOST"] = "https://login.partner.microsoftonline.cn" // only one setup needs it
	}},
	{`remove the path from AZURE_AUTHORITY_HOST`, func(_ *testing.T, p *patient, _ []string) {
		scheme, rest, _ := strings.Cut(p.Env["AZURE_AUTHORITY_HOST"], "://")
		host, _, _ := strings.Cut(rest, "/")
		p.Env["AZURE_AUTHORITY_HOST"] = scheme + "://" + host
	}},
	{`unset AZURE_REGIONAL_AUTHORITY_NAME`, func(_ *testing.T, p *patient, _ []string) { delete(p.Env, "AZURE_REGIONAL_AUTHORITY_NAME") }},
	{`az (?:identity|account) show (?:.*?)--query (?:clientId|tenantId)`, func(t *testing.T, p *patient, values []string) {
		for query, name := range map[string]string{"clientId": "AZURE_CLIENT_ID", "tenantId": "AZURE_TENANT_ID"} {
			if strings.Contains(values[0], "--query "+query) || strings.Contains(p.said(t), "--query "+query) {
				p.Env[name] = p.environment[name]
			}
		}
	}},
	{`^credential: .*?(AZURE_[A-Z_]+)`, func(t *testing.T, p *patient, values []string) { // New's error has all problems
		for _, name := range regexp.MustCompile(`AZURE_[A-Z_]+`).FindAllString(p.said(t), -1) {
			delete(p.Env, name)
			if value, ok := p.environment[name]; ok {
				p.Env[name] = value
			}
		}
	}},

	// The scope.
	{`(?:as in "|as |ask for )(https://\S+?/\.default)`, func(_ *testing.T, p *patient, values []string) { p.Scope = values[1] }},
	{`call GetToken once for each resource`, func(_ *testing.T, p *patient, _ []string) { p.Scope = strings.Fields(p.Scope)[0] }},
}

func projecting(t *testing.T, p *patient, values []string) {
	p.project(t, entratest.TokenRequest{Audiences: values[1:2]})
}

// withoutValue lists the setups whose fix names neither a value nor a command that works, with the
// reason.
var withoutValue = map[string]string{
	"federated-credential-too-new": "the fix is to wait",

	"expression-unmatched": "a reply", "federation-code-of-tomorrow": "a reply", "token-code-of-tomorrow": "a reply", "key-of-another-kind": "a reply",
	"application-not-in-tenant": "a reply", "entra-overloaded": "a reply", "entra-throttled": "a reply",

	"issuer-down": "of the issuer", "issuer-gone": "of the issuer", "issuer-behind-firewall": "of the issuer", "issuer-serves-sign-in-page": "of the issuer",
	"issuer-names-another": "of the issuer", "issuer-hides-its-keys": "of the issuer", "keys-at-private-address": "of the issuer", "key-padded": "of the issuer",
	"key-for-encryption": "of the issuer", "key-as-certificate": "of the issuer", "key-not-published": "of the issuer", "issuer-with-private-name": "of the issuer",
	"issuer-registered-as-documented": "only the doctor reads the issuer's document",

	"access-token-as-assertion": "of the program", "token-altered": "of the program", "assertion-empty": "of the program", "assertion-failing": "of the program",
	"request-without-a-field": "on the way", "request-without-assertion": "on the way", "request-with-empty-assertion": "on the way", "request-with-secret": "on the way",
	"request-of-another-type": "on the way", "request-malformed": "on the way", "page-instead-of-entra": "on the way", "entra-unreachable": "on the way",
	"entra-refuses-connections": "on the way", "certificate-untrusted": "on the way", "proxy-wants-password": "on the way", "proxy-forbids": "on the way",
	"entra-hangs": "on the way", "entra-cuts-connections": "on the way", "entra-times-out": "a reply", "proxy-misspelled": "on the way",
	"federation-forbidden": "an administrator decides", "issuer-forbidden": "an administrator decides", "conditional-access": "an administrator decides",

	"token-file-missing": "of the file", "token-file-is-directory": "of the file", "token-file-empty": "of the file", "token-file-garbage": "of the file",
	"token-file-utf16": "of the file", "token-file-relative": "of the file", "token-file-stale": "of the file",
	"app-instead-of-managed-identity": "another token", "user-instead-of-managed-identity": "another token",
	"authority-misspelled": "no such host", "resource-of-another-cloud": "the scope is in the resource's documentation",
	"binding-proxy-misspelled": "no such host",
	"binding-with-two-cas":     "the fake's proxy has a CA of its own: package credential tests it",
}

// A fix that names a value or a command works when followed literally, whichever alternative one
// chooses. It costs other workloads of the identity nothing.
func TestFixesWorkAndDestroyNothing(t *testing.T) {
	excused := maps.Clone(withoutValue)
	for _, setup := range setups.Setups() {
		if setup.Link == setups.Resource {
			continue
		}
		t.Run(setup.Name, func(t *testing.T) {
			p := newPatient(t, setup)
			said, tried := p.said(t), 0
			for _, r := range remedies {
				if r.match(said) == nil || excused[setup.Name] != "" {
					continue
				}
				tried++
				p := newPatient(t, setup)
				neighborly := p.neighborSignsIn(t)
				before := maps.Clone(p.Env)
				p.follow(t, r)
				if neighborly == nil {
					require.NoError(t, p.neighborSignsIn(t), "the fix does not affect the other workload")
				}
				for name, value := range before {
					if p.Env[name] != value && name != "AZURE_FEDERATED_TOKEN_FILE" {
						require.Contains(t, p.history, name, "no fix asked for this change")
					}
				}
			}
			require.Equal(t, excused[setup.Name] == "", tried > 0, "%s: no remedy applies this fix: %s", setup.Name, said)
		})
		delete(excused, setup.Name)
	}
	require.Empty(t, excused)
}

func newPatient(t *testing.T, setup setups.Setup) *patient {
	t.Helper()
	p := &patient{pod: newPod(t)}
	p.Entra.AllowResource("https://vault.usgovcloudapi.net", "https://graph.microsoft.com")
	p.environment, p.trusted, p.neighbor = maps.Clone(p.Env), p.Trusted, p.Cluster
	other := p.Trusted
	other.Subject = "system:serviceaccount:shop:neighbor"
	require.NoError(t, p.Entra.Trust(other))
	require.NoError(t, setup.Break(p.Pod))
	return p
}

// said returns the fix in the pod's error, or the error of credential.New; empty if the pod signs
// in.
func (p *patient) said(t *testing.T) string {
	t.Helper()
	_, err := p.signIn(t)
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*credential.Error](err); ok {
		return e.Fix()
	}
	return err.Error()
}

// match returns the remedy's match in the fix; nil if it does not apply.
func (r remedy) match(said string) []string {
	return regexp.MustCompile(r.says).FindStringSubmatch(said)
}

// follow applies the remedy, then the fixes of further errors, until the pod signs in.
func (p *patient) follow(t *testing.T, r remedy) {
	t.Helper()
	for range 3 {
		said := p.said(t)
		p.history += said
		r.apply(t, p, r.match(said))
		if said = p.said(t); said == "" {
			return
		}
		for _, r = range remedies {
			if r.match(said) != nil {
				break
			}
		}
		require.NotNil(t, r.match(said), said)
	}
	_, err := p.signIn(t)
	require.NoError(t, err, "followed these fixes: %s", p.history)
}

// project mounts a token of the pod's own cluster, whose keys Entra ID can read.
func (p *patient) project(t *testing.T, request entratest.TokenRequest) {
	t.Helper()
	request.Namespace, request.ServiceAccount, request.Pod = "shop", "orders", "orders-0"
	volume, err := p.Cluster.Project(t.TempDir()+"/volume", "", request)
	require.NoError(t, errors.Join(err, p.Entra.TrustCluster(p.Cluster)))
	p.Env["AZURE_FEDERATED_TOKEN_FILE"], p.Options.Assertion = volume.Path(), nil
}

// neighborSignsIn signs in as another workload of the same identity.
func (p *patient) neighborSignsIn(t *testing.T) error {
	t.Helper()
	unset(t)
	options := &credential.Options{
		ClientID: p.ClientID, TenantID: p.TenantID, PropagationTimeout: -1,
		Assertion: func(context.Context) (string, error) {
			return p.neighbor.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "neighbor"})
		},
	}
	options.Transport = p.Entra
	c, err := credential.New(options)
	require.NoError(t, err)
	_, err = c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	return err
}
