package broken

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	githubIssuer = "https://token.actions.githubusercontent.com"
	entraIssuer  = "https://" + authority + "/" + tenantID + "/v2.0"
	update       = "federated-credential update"
)

var federatedCredentials = []Setup{
	{
		Name: "no-federated-credential", About: "the identity has no federated credential", Code: 70025,
		Words: []string{
			"the identity has no federated credential", "federated-credential create",
			entratest.DefaultIssuer, `"` + subject + `"`,
		},
		Break: func(p *Pod) error { return p.Entra.Revoke(right()) },
	},
	{
		Name: "federated-credential-too-new", About: "the federated credential was made just now", Code: 70025,
		Words: []string{"a new one counts after some minutes"},
		Break: func(p *Pod) error {
			p.Entra.PropagationDelay = time.Hour
			return p.reregister(func(*entratest.FederatedCredential) {})
		},
	},
	{
		Name: "issuer-without-slash", About: "the federated credential was registered without the slash at the issuer's end", Code: 700211,
		Words: []string{"exactly this issuer (with the slash at its end)", `register the issuer "` + entratest.DefaultIssuer + `"`, update},
		Break: registered(func(f *entratest.FederatedCredential) { f.Issuer = strings.TrimSuffix(entratest.DefaultIssuer, "/") }),
	},
	{
		Name: "issuer-with-slash", About: "the federated credential was registered with a slash that the issuer does not have", Code: 700211,
		Words: []string{"exactly this issuer (without a slash at its end)", `register the issuer "https://oidc.shop.example"`},
		Break: func(p *Pod) error {
			return errors.Join(p.move("https://oidc.shop.example"), p.serveCluster(p.Cluster, p.Cluster.Issuer),
				p.reregister(func(f *entratest.FederatedCredential) { f.Issuer = p.Cluster.Issuer + "/" }))
		},
	},
	{
		Name: "cluster-made-anew", About: "the cluster was made anew, and the federated credential is the old one's", Code: 700211,
		Words: []string{"a cluster made anew has a new one", `"` + entratest.DefaultIssuer + `"`},
		Break: registered(func(f *entratest.FederatedCredential) {
			f.Issuer = strings.Replace(entratest.DefaultIssuer, "20000000", "30000000", 1)
		}),
	},
	{
		Name: "workflow-unregistered", About: "the token is GitHub's, and only the cluster is registered", Code: 700211,
		Words: []string{`register the issuer "` + githubIssuer + `"`, update},
		Break: claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = githubIssuer, "repo:o/r:ref:refs/heads/main" }),
	},
	{
		Name: "another-namespace", About: "the pod runs in another namespace than the one registered", Code: 700213,
		Words: []string{
			`subject of service account "orders" in namespace "staging"`, `register "system:serviceaccount:staging:orders"`, update, "serviceAccountName",
		},
		Break: mounted(func(r *entratest.TokenRequest) { r.Namespace = "staging" }),
	},
	{
		Name: "another-service-account", About: "the federated credential was registered for another service account", Code: 700213,
		Words: []string{`subject of service account "orders" in namespace "shop"`, `register "` + subject + `"`, "serviceAccountName"},
		Break: registered(func(f *entratest.FederatedCredential) { f.Subject = "system:serviceaccount:shop:cart" }),
	},
	{
		Name: "subject-with-capital", About: "the federated credential was registered with a capital letter in the subject", Code: 7002138,
		Words: []string{"registered subject has capital letters", "names in Kubernetes never", `--subject "` + subject + `"`},
		Break: registered(func(f *entratest.FederatedCredential) { f.Subject = "system:serviceaccount:shop:Orders" }),
	},
	{
		Name: "workflow-on-another-branch", About: "the federated credential is for another branch of the repository", Code: 700213,
		Words: []string{`exactly the subject "repo:o/r:ref:refs/heads/dev"`, "branch, tag, pull request and environment"},
		Break: workflow("repo:o/r:ref:refs/heads/main", "repo:o/r:ref:refs/heads/dev"),
	},
	{
		Name: "repository-in-another-case", About: "the federated credential has the repository's name in another case", Code: 7002138,
		Words: []string{`registered subject and "repo:O/R:ref:refs/heads/main" differ in upper and lower case`, "exactly as presented"},
		Break: workflow("repo:o/r:ref:refs/heads/main", "repo:O/R:ref:refs/heads/main"),
	},
	{
		Name: "subject-of-another-kind", About: "the token's subject is a SPIFFE ID, and a service account is registered", Code: 700213,
		Words: []string{`exactly the subject "spiffe://shop/orders"`, "register that subject"},
		Break: claimed(func(c jwt.MapClaims) { c["sub"] = "spiffe://shop/orders" }),
	},
	{
		Name: "audience-registered-wrong", About: "the federated credential was registered for another audience", Code: 700212,
		Words: []string{`another audience than "` + exchangeURI + `"`, "--audiences", "projected volume"},
		Break: registered(func(f *entratest.FederatedCredential) { f.Audiences = []string{"api://mine"} }),
	},

	{
		Name: "managed-identity-unregistered", About: "the token is a managed identity's, which no federated credential names", Code: 700222,
		Words: []string{`for this managed identity, with the issuer "` + entraIssuer + `"`, `subject "` + objectID + `", the identity's object ID`},
		Break: claimed(managedIdentity),
	},
	{
		Name: "managed-identity-by-client-id", About: "a managed identity was registered by its client ID instead of its object ID", Code: 700213,
		Words: []string{`subject "` + objectID + `", the identity's object ID`},
		Break: both(registered(fromEntra(otherTenant)), claimed(managedIdentity)),
	},

	{
		Name: "application-disabled", About: "the application was disabled", Code: 7000112,
		Words: []string{"client ID \"" + clientID, "is disabled in tenant", "az ad sp update --set accountEnabled=true"},
		Break: func(p *Pod) error { return p.Entra.SetDisabled(tenantID, clientID, true) },
	},
	{
		Name: "federation-forbidden", About: "the tenant forbids workload identity federation", Code: 700223,
		Words: []string{"a policy of tenant \"" + tenantID, "restricts or forbids workload identity federation", "ask the tenant's administrator"},
		Break: policed(entratest.Policy{NoFederation: true}),
	},
	{
		Name: "issuer-forbidden", About: "the tenant allows other issuers than the cluster's", Code: 700238,
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
		Words: []string{"a field of the request did not reach Entra ID", "a policy of ClientOptions"},
		Break: garbled(func(form url.Values) { form.Del("grant_type") }),
	},
	{
		Name: "request-without-assertion", About: "something on the way drops the token", Code: 7000218,
		Words: []string{"reached Entra ID without the federated token", "a policy of ClientOptions"},
		Break: garbled(func(form url.Values) { form.Del("client_assertion") }),
	},
	{
		Name: "request-with-empty-assertion", About: "something on the way empties the token's field", Code: 7000216,
		Words: []string{"reached Entra ID without the federated token, or with an empty one", "a policy of ClientOptions"},
		Break: garbled(func(form url.Values) { form.Set("client_assertion", "") }),
	},
	{
		Name: "request-with-secret", About: "something on the way puts a client secret in the token's place", Code: 7000215,
		Words: []string{"Entra ID judged a client secret", "credential chain"},
		Break: garbled(func(form url.Values) {
			form.Del("client_assertion")
			form.Set("client_secret", "hunter2hunter2")
		}),
	},
	{
		Name: "request-of-another-type", About: "something on the way changes the request's media type", Code: 900144,
		Words: []string{"a field of the request did not reach Entra ID", "a policy of ClientOptions"},
		Break: onTheWay(func(r *policy.Request) error {
			r.Raw().Header.Set("Content-Type", "text/plain")
			return nil
		}),
	},
	{
		Name: "request-malformed", About: "something on the way garbles a field of the request", Code: 9002313,
		Words: []string{"the request did not reach Entra ID as it was sent", "a policy of ClientOptions"},
		Break: garbled(func(form url.Values) { form.Set("client_assertion_type", "jwt") }),
	},
	{
		Name: "page-instead-of-entra", About: "a company's proxy answers in Entra ID's place, with a page",
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
		Name: "entra-overloaded", About: "Entra ID is overloaded", Code: 90033, Transient: true,
		Words: []string{"overloaded or down; nothing is wrong here", "azure.status.microsoft"},
		Break: func(p *Pod) error {
			p.Entra.SetReply(new(entratest.Unavailable(0))) // an outage is a reply, and nothing else
			return nil
		},
	},
}

// both breaks two things that are one mistake.
func both(first, second func(*Pod) error) func(*Pod) error {
	return func(p *Pod) error { return errors.Join(first(p), second(p)) }
}

// registered changes the federated credential.
func registered(change func(*entratest.FederatedCredential)) func(*Pod) error {
	return func(p *Pod) error { return p.reregister(change) }
}

// workflow gives the pod a token of GitHub Actions with one subject, where another is registered.
func workflow(registeredSubject, presented string) func(*Pod) error {
	return both(
		registered(func(f *entratest.FederatedCredential) { f.Issuer, f.Subject = githubIssuer, registeredSubject }),
		claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = githubIssuer, presented }),
	)
}

// fromEntra makes a federated credential one for Entra ID's own tokens.
func fromEntra(subject string) func(*entratest.FederatedCredential) {
	return func(f *entratest.FederatedCredential) { f.Issuer, f.Subject = entraIssuer, subject }
}

// managedIdentity makes a token that of a managed identity.
func managedIdentity(c jwt.MapClaims) {
	c["iss"], c["sub"], c["oid"], c["tid"], c["idtyp"] = entraIssuer, objectID, objectID, tenantID, "app"
	c["xms_mirid"] = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders"
}

func policed(rules entratest.Policy) func(*Pod) error {
	return func(p *Pod) error { return p.Entra.SetPolicy(tenantID, rules) }
}

// meddler is a policy that changes a request just before it is sent.
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
