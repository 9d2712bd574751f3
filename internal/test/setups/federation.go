package setups

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	githubIssuer = "https://token.actions.githubusercontent.com"
	gitlabIssuer = "https://gitlab.com"
	entraIssuer  = "https://" + authority + "/" + tenantID + "/v2.0"

	// serviceConnection is a subject in the form that Azure DevOps uses since 2025.
	serviceConnection = "/eid1/c/pub/t/AAAAAAAAAAAAAAAAAAAAAA/a/AAAAAAAAAAAAAAAAAAAAAA/sc/org/connection"

	// created begins the advice to add a credential, which does not affect other workloads.
	created = `create a federated credential with issuer "`
)

var federatedCredentials = []Setup{
	{
		Name: "no-federated-credential", About: "the identity has no federated credential", Code: 70025,
		Words: []string{
			"the identity has no federated credential", created + entratest.DefaultIssuer + `", subject "` + subject + `", audience "` + exchangeURI + `"`,
			"doctor -emit az prints the command",
		},
		Break: func(p *Pod) error { return p.Entra.Revoke(p.Trusted) },
	},
	{
		Name: "federated-credential-too-new", About: "the federated credential was created just now", Code: 70025,
		Words: []string{"or it was created only minutes ago"},
		Break: func(p *Pod) error {
			p.Entra.PropagationDelay = time.Hour
			return p.reregister(func(*entratest.FederatedCredential) {})
		},
	},
	{
		Name: "issuer-without-slash", About: "the federated credential was registered without the slash at the issuer's end", Code: 700211,
		Words: []string{"exactly this issuer (with the slash at its end)", created + entratest.DefaultIssuer + `", subject "` + subject},
		Break: registered(func(f *entratest.FederatedCredential) { f.Issuer = strings.TrimSuffix(entratest.DefaultIssuer, "/") }),
	},
	{
		Name: "issuer-with-slash", About: "the federated credential was registered with a slash that the issuer does not have", Code: 700211,
		Words: []string{"exactly this issuer (without a slash at its end)", created + `https://oidc.shop.example", subject "` + subject},
		Break: func(p *Pod) error {
			return errors.Join(p.move("https://oidc.shop.example"), p.serveCluster(p.Cluster, p.Cluster.Issuer),
				p.reregister(func(f *entratest.FederatedCredential) { f.Issuer = p.Cluster.Issuer + "/" }))
		},
	},
	{
		Name: "cluster-recreated", About: "the cluster was recreated, and the federated credential has the old issuer", Code: 700211,
		Words: []string{"a recreated cluster has a new issuer", created + entratest.DefaultIssuer},
		Break: registered(func(f *entratest.FederatedCredential) {
			f.Issuer = strings.Replace(entratest.DefaultIssuer, "20000000", "30000000", 1)
		}),
	},
	{
		Name: "workflow-unregistered", About: "the token is GitHub's, and only the cluster is registered", Code: 700211,
		Words: []string{created + githubIssuer + `", subject "repo:o/r:ref:refs/heads/main"`},
		Break: claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = githubIssuer, "repo:o/r:ref:refs/heads/main" }),
	},
	{
		Name: "another-namespace", About: "the pod does not run in the registered namespace", Code: 700213,
		Words: []string{
			`subject of service account "orders" in namespace "staging"`, created + entratest.DefaultIssuer + `", subject "system:serviceaccount:staging:orders"`,
			"or run the pod as the registered service account, in its namespace",
		},
		Break: mounted(func(r *entratest.TokenRequest) { r.Namespace = "staging" }),
	},
	{
		Name: "another-service-account", About: "the federated credential was registered for another service account", Code: 700213,
		Words: []string{`subject of service account "orders" in namespace "shop"`, `subject "` + subject + `"`, "as the registered service account"},
		Break: registered(func(f *entratest.FederatedCredential) { f.Subject = "system:serviceaccount:shop:cart" }),
	},
	{
		Name: "subject-with-capital", About: "the federated credential was registered with a capital letter in the subject", Code: 7002138,
		Words: []string{"registered subject has capital letters", "names in Kubernetes never", created + entratest.DefaultIssuer + `", subject "` + subject + `"`},
		Break: registered(func(f *entratest.FederatedCredential) { f.Subject = "system:serviceaccount:shop:Orders" }),
	},
	{
		Name: "workflow-on-another-branch", About: "the federated credential is for another branch of the repository", Code: 700213,
		Words: []string{"each branch, tag and environment has its own, and all pull requests share one", `subject "repo:o/r:ref:refs/heads/dev"`},
		Break: workflow("repo:o/r:ref:refs/heads/main", "repo:o/r:ref:refs/heads/dev"),
	},
	{
		Name: "repository-in-another-case", About: "the federated credential has the repository's name in different case", Code: 7002138,
		Words: []string{"registered subject differs from this one only in upper and lower case", `subject "repo:O/R:ref:refs/heads/main"`},
		Break: workflow("repo:o/r:ref:refs/heads/main", "repo:O/R:ref:refs/heads/main"),
	},
	{
		Name: "subject-of-another-kind", About: "the token's subject is a SPIFFE ID, and a service account is registered", Code: 700213,
		Words: []string{"exactly this subject", `subject "spiffe://shop/orders"`},
		Break: claimed(func(c jwt.MapClaims) { c["sub"] = "spiffe://shop/orders" }),
	},
	{
		Name: "audience-registered-wrong", About: "the federated credential was registered for another audience", Code: 700212,
		Words: []string{`an audience other than "` + exchangeURI + `"`, `set that credential's audience to "` + exchangeURI + `"`, "or present a token for the audience it has"},
		Break: registered(func(f *entratest.FederatedCredential) { f.Audiences = []string{"api://mine"} }),
	},

	{
		Name: "managed-identity-unregistered", About: "no federated credential is for the managed identity whose token it is", Code: 700222,
		Words: []string{"for this managed identity", created + entraIssuer + `", subject "` + objectID + `"`, "the subject is the identity's object ID"},
		Break: claimed(managedIdentity),
	},
	{
		Name:  "managed-identity-with-application-id",
		About: "the same, and the token's audience is the application ID of token exchange, as in Entra ID's v2.0 tokens", Code: 700222,
		Words: []string{"for this managed identity", created + entraIssuer + `", subject "` + objectID + `", audience "` + exchangeURI + `"`},
		Break: claimed(func(c jwt.MapClaims) {
			managedIdentity(c)
			c["aud"] = "fb60f99c-7a34-4190-8149-302f77469936"
		}),
	},
	{
		Name: "managed-identity-by-client-id", About: "a managed identity was registered by its client ID instead of its object ID", Code: 700213,
		Words: []string{`subject "` + objectID + `"`, "the subject is the identity's object ID"},
		Break: both(registered(fromEntra(otherTenant)), claimed(managedIdentity)),
	},

	{
		Name: "repository-with-ids", About: "the token's subject contains GitHub's IDs, but the registered subject predates them", Code: 700213,
		Words: []string{"OWNER@ID/REPO@ID", "since 2026-07-15", `subject "repo:o@1/r@2:ref:refs/heads/main"`},
		Break: workflow("repo:o/r:ref:refs/heads/main", "repo:o@1/r@2:ref:refs/heads/main"),
	},
	{
		Name: "project-by-id", About: "the token's subject has GitLab's project ID, but the registered one has the path", Code: 700213,
		Words: []string{"project_path:GROUP/PROJECT or, if the project is configured so, project_id:ID", `subject "project_id:7:ref_type:branch:ref:main"`},
		Break: both(
			registered(func(f *entratest.FederatedCredential) {
				f.Issuer, f.Subject = gitlabIssuer, "project_path:o/r:ref_type:branch:ref:main"
			}),
			claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = gitlabIssuer, "project_id:7:ref_type:branch:ref:main" }),
		),
	},
	{
		Name: "service-connection-unregistered", About: "the token, issued by Entra ID, is for an unregistered service connection of Azure DevOps", Code: 700222,
		Words: []string{"for this service connection of Azure DevOps", created + entraIssuer + `", subject "` + serviceConnection + `"`},
		Break: claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = entraIssuer, serviceConnection }),
	},
	{
		Name: "expression-unmatched", About: "the expression of the identity's flexible federated credential does not match", Code: 7002131,
		Words: []string{`subject of service account "orders" in namespace "shop"`, created},
		Break: refused(7002131),
	},
	{
		Name: "federation-code-of-tomorrow", About: "Entra ID refuses the federated token with a code that is not yet known", Code: 7002199,
		Words: []string{"no federated credential of the identity applies to the token; Entra ID's message says more", created},
		Break: refused(7002199),
	},
	{
		Name: "audience-of-sovereign-cloud", About: "the credential has Azure Government's audience, and the webhook projects the public one", Code: 700212,
		Words: []string{
			`has an audience other than "` + exchangeURI + `", perhaps ` + exchangeURI + "USGov, which is usual in Azure Government",
			`set that credential's audience to "` + exchangeURI + `"`, "the webhook's --audience",
		},
		Break: func(p *Pod) error {
			p.Env[envAuthority], p.Scope = "https://login.microsoftonline.us/", "https://vault.usgovcloudapi.net/.default"
			p.Entra.AllowResource("https://vault.usgovcloudapi.net")
			return errors.Join(p.Entra.SetCloud(tenantID, "login.microsoftonline.us"),
				p.reregister(func(f *entratest.FederatedCredential) { f.Audiences = []string{exchangeURI + "USGov"} }))
		},
	},

	{
		Name: "application-not-in-tenant", About: "the application belongs to another tenant, and nobody consented to it in this one", Code: 7000229,
		Words: []string{"has no service principal in tenant", `az ad sp create --id "` + clientID + `"`},
		Break: refused(7000229),
	},
	{
		Name: "application-disabled", About: "the application was disabled", Code: 7000112,
		Words: []string{"client ID \"" + clientID, "is disabled in tenant", `az ad sp update --id "` + clientID + `" --set accountEnabled=true`},
		Break: func(p *Pod) error { return p.Entra.SetDisabled(tenantID, clientID, true) },
	},
	{
		Name: "federation-forbidden", About: "the tenant forbids workload identity federation", Code: 700223,
		Words: []string{"a policy of tenant \"" + tenantID, "restricts or forbids workload identity federation", "ask the tenant's administrator"},
		Break: policed(entratest.Policy{NoFederation: true}),
	},
	{
		Name: "issuer-forbidden", About: "the tenant allows other issuers, but not the cluster's", Code: 700238,
		Words: []string{"a policy of tenant \"" + tenantID, `allow the issuer "` + entratest.DefaultIssuer + `"`},
		Break: policed(entratest.Policy{AllowedIssuers: []string{githubIssuer}}),
	},
	{
		Name: "conditional-access", About: "a Conditional Access policy blocks the identity", Code: 53003,
		Words: []string{"Conditional Access policy for workload identities blocks client ID \"" + clientID, "Sign-in logs"},
		Break: policed(entratest.Policy{BlockedClients: []string{clientID}}),
	},

	{
		Name: "request-without-a-field", About: "something on the way drops a field of the request", Code: 900144,
		Words: []string{"a field of the request did not reach Entra ID", "a policy in ClientOptions"},
		Break: garbled(func(form url.Values) { form.Del("grant_type") }),
	},
	{
		Name: "request-without-assertion", About: "something on the way drops the token", Code: 7000218,
		Words: []string{"reached Entra ID without the federated token", "a policy in ClientOptions"},
		Break: garbled(func(form url.Values) { form.Del("client_assertion") }),
	},
	{
		Name: "request-with-empty-assertion", About: "something on the way empties the token's field", Code: 7000216,
		Words: []string{"reached Entra ID without the federated token, or with an empty one", "a policy in ClientOptions"},
		Break: garbled(func(form url.Values) { form.Set("client_assertion", "") }),
	},
	{
		Name: "request-with-secret", About: "something on the way replaces the token with a client secret", Code: 7000215,
		Words: []string{"Entra ID judged a client secret", "credential chain"},
		Break: garbled(func(form url.Values) {
			form.Del("client_assertion")
			form.Set("client_secret", "hunter2hunter2")
		}),
	},
	{
		Name: "request-of-another-type", About: "something on the way changes the request's media type", Code: 900144,
		Words: []string{"a field of the request did not reach Entra ID", "a policy in ClientOptions"},
		Break: onTheWay(func(r *policy.Request) error {
			r.Raw().Header.Set("Content-Type", "text/plain")
			return nil
		}),
	},
	{
		Name: "request-malformed", About: "something on the way garbles a field of the request", Code: 9002313,
		Words: []string{"the request did not reach Entra ID as it was sent", "a policy in ClientOptions"},
		Break: garbled(func(form url.Values) { form.Set("client_assertion_type", "jwt") }),
	},
	{
		Name: "page-instead-of-entra", About: "a company's proxy answers with a page instead of Entra ID",
		Words: []string{"HTTP 403 Forbidden", "text/html"},
		Break: func(p *Pod) error {
			p.here[authority] = page(http.StatusForbidden, "<html>blocked</html>")
			return nil
		},
	},
	{
		Name: "entra-unreachable", About: "nothing answers at Entra ID's address: the network is down, or egress is blocked", Transient: true,
		Words: []string{"https://login.microsoftonline.com/", "no such host"},
		Break: func(p *Pod) error {
			delete(p.here, authority)
			return nil
		},
	},
	{
		Name: "entra-refuses-connections", About: "nothing listens at Entra ID's address: a service mesh's sidecar is not ready", Transient: true,
		Words: []string{"nothing listens at that address", "a service mesh's sidecar that is not ready", "start after the sidecar"},
		Break: func(p *Pod) error {
			p.here[authority] = failing(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
			return nil
		},
	},
	{
		Name: "entra-hangs", About: "Entra ID accepts requests and never answers, like a firewall that drops packets", Transient: true,
		Words: []string{"no complete reply within "},
		Break: func(p *Pod) error {
			p.Options.Retry.TryTimeout = time.Second
			p.Entra.SetReply(&entratest.Reply{Hang: true})
			return nil
		},
	},
	{
		Name: "entra-cuts-connections", About: "something on the way cuts the connection instead of answering", Transient: true,
		Words: []string{"https://login.microsoftonline.com/", "connection reset by peer"},
		Break: func(p *Pod) error {
			p.Entra.SetReply(&entratest.Reply{Err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}})
			return nil
		},
	},
	{
		Name: "entra-times-out", About: "Entra ID, or something on the way, gives up waiting for the request", Transient: true,
		Words: []string{"HTTP 408 Request Timeout"},
		Break: func(p *Pod) error {
			p.Entra.SetReply(&entratest.Reply{Status: http.StatusRequestTimeout, Header: http.Header{"Content-Type": {"text/plain"}}, Body: "Request Timeout"})
			return nil
		},
	},
	{
		Name: "certificate-untrusted", About: "a company's proxy inspects TLS, and the program does not trust its CA",
		Words: []string{"the certificate of login.microsoftonline.com is not trusted here", "package ca-certificates"},
		Break: func(p *Pod) error {
			p.here[authority] = failing(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})
			return nil
		},
	},
	{
		Name: "proxy-wants-password", About: "the only way out is a company's proxy, which requires a password",
		Words: []string{"through the proxy " + companyProxy + ": CONNECT was refused with HTTP 407 Proxy Authentication Required"},
		Break: proxied("407 Proxy Authentication Required"),
	},
	{
		Name: "proxy-misspelled", About: "the only way out is a company's proxy, and its name is misspelled",
		Words: []string{"the name of the HTTP proxy, proxy.corp.exmaple, does not resolve", "correct the proxy's name in HTTPS_PROXY"},
		Break: func(p *Pod) error {
			p.here[authority] = failing(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "proxy.corp.exmaple", IsNotFound: true}})
			return nil
		},
	},
	{
		Name: "proxy-forbids", About: "the only way out is a company's proxy, which blocks connections to Entra ID",
		Words: []string{"through the proxy " + companyProxy + ": CONNECT was refused with HTTP 403 Forbidden"},
		Break: proxied("403 Forbidden"),
	},
	{
		Name: "entra-overloaded", About: "Entra ID is overloaded", Code: 90033, Transient: true,
		Words: []string{"overloaded or down; nothing is wrong with your setup", "azure.status.microsoft"},
		Break: func(p *Pod) error {
			p.Entra.SetReply(new(entratest.Unavailable(0))) // an outage is only a reply
			return nil
		},
	},
	{
		Name: "entra-throttled", About: "too many requests were sent to Entra ID", Transient: true,
		Words: []string{"HTTP 429 Too Many Requests", "Retry-After 30s"},
		Break: func(p *Pod) error {
			p.Entra.SetReply(new(entratest.Throttle(30 * time.Second)))
			return nil
		},
	},
}

// both breaks two things that result from one mistake.
func both(first, second func(*Pod) error) func(*Pod) error {
	return func(p *Pod) error { return errors.Join(first(p), second(p)) }
}

// refused makes Entra ID refuse with a code that no state of the fake produces.
func refused(code int) func(*Pod) error {
	return func(p *Pod) error {
		p.Entra.SetReply(new(entratest.Refuse(code)))
		return nil
	}
}

// registered changes the federated credential.
func registered(change func(*entratest.FederatedCredential)) func(*Pod) error {
	return func(p *Pod) error { return p.reregister(change) }
}

// workflow gives the pod a GitHub Actions token whose subject differs from the registered one.
func workflow(registeredSubject, presented string) func(*Pod) error {
	return both(
		registered(func(f *entratest.FederatedCredential) { f.Issuer, f.Subject = githubIssuer, registeredSubject }),
		claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = githubIssuer, presented }),
	)
}

// fromEntra makes a federated credential accept Entra ID's own tokens.
func fromEntra(subject string) func(*entratest.FederatedCredential) {
	return func(f *entratest.FederatedCredential) { f.Issuer, f.Subject = entraIssuer, subject }
}

// managedIdentity turns the claims into those of a managed identity's token.
func managedIdentity(c jwt.MapClaims) {
	c["iss"], c["sub"], c["oid"], c["tid"], c["idtyp"] = entraIssuer, objectID, objectID, tenantID, "app"
	c["xms_mirid"] = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders"
}

func policed(rules entratest.Policy) func(*Pod) error {
	return func(p *Pod) error { return p.Entra.SetPolicy(tenantID, rules) }
}

// meddler is a policy that changes each request just before it is sent.
type meddler func(*policy.Request) error

// Do implements [policy.Policy].
func (change meddler) Do(r *policy.Request) (*http.Response, error) {
	if err := change(r); err != nil {
		return nil, err
	}
	return r.Next()
}

// onTheWay changes every request on its way.
func onTheWay(change meddler) func(*Pod) error {
	return func(p *Pod) error {
		p.Options.PerRetryPolicies = append(p.Options.PerRetryPolicies, change)
		return nil
	}
}

// garbled changes the fields of every request on its way.
func garbled(change func(url.Values)) func(*Pod) error {
	return onTheWay(func(r *policy.Request) error {
		text, err := io.ReadAll(r.Raw().Body)
		if err != nil {
			return err
		}
		form, err := url.ParseQuery(string(text))
		if err != nil {
			return err
		}
		change(form)
		return r.SetBody(streaming.NopCloser(strings.NewReader(form.Encode())), r.Raw().Header.Get("Content-Type"))
	})
}
