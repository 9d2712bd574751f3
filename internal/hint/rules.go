package hint

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/aadsts"
)

// rule knows better than the catalogue what a code means, where it applies. The first that does counts.
type rule struct {
	codes      []int // 0: a refusal without a code; nil: any
	field      aadsts.Field
	applies    func(*facts) bool
	cause, fix string
}

const (
	forAnotherCloud = "the token's audience is for {audience cloud}, but the authority {host} is of {cloud}"
	scopeElsewhere  = "the scope {scope} is of {scope cloud}, but the authority {host} is of {cloud}"
)

// clockTolerance is more than a reply's Date is off for being in whole seconds and under way.
const clockTolerance = 2 * time.Minute

var (
	noMatch   = []int{70021, 700211, 700212, 7002121, 700213, 70025}
	ofToken   = append([]int{70023, 700222}, noMatch...)
	ofIssuer  = []int{70021, 700211, 90061, 50166, 501661}
	ofSubject = []int{70021, 700213}
	ofKey     = []int{50027, 5002738, 700027, 7000272, 7000274}
	ofTime    = []int{700024}
	ofTenant  = []int{90002, 900023, 700016}
	ofCloud   = []int{90002, 700016, 900382, 900432, 50049}
	ofScope   = []int{1002012, 70011, 500011}
)

var rules = []rule{
	// The wrong token altogether.
	{
		field:   aadsts.Token, // whatever the code is about cannot be told
		applies: func(f *facts) bool { return f.unreadable && f.tellsOfToken() },
		cause:   "what came from {source} is not a JSON Web Token that can be read, so no federated token",
		fix:     "give the token as its issuer wrote it: three parts in base64url, each claim of its own type, nothing around them",
	},
	{
		codes: ofToken, field: aadsts.Binding,
		applies: func(f *facts) bool { return ForTokenProxy(f.token) && !f.Binding && f.BindingOffered },
		cause:   "the token's audience is " + bindingAudience + ", for the token proxy of the pod's AKS identity binding, but it went to Entra ID",
		fix:     "set Options.EnableAzureProxy: AZURE_KUBERNETES_TOKEN_PROXY is set already; or mount a token for api://AzureADTokenExchange",
	},
	{
		codes: ofToken, field: aadsts.Audience,
		applies: func(f *facts) bool { return ForTokenProxy(f.token) && !f.Binding },
		cause:   "the token's audience is " + bindingAudience + ", for the token proxy of an AKS identity binding, but it went to Entra ID",
		fix:     "mount a token for api://AzureADTokenExchange; or use an identity binding, with AZURE_KUBERNETES_TOKEN_PROXY, which AKS sets, and Options.EnableAzureProxy",
	},
	{
		codes: []int{0}, field: aadsts.Binding,
		applies: func(f *facts) bool {
			return f.Binding && !f.unreadable && !ForTokenProxy(f.token) && slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, f.refusal.StatusCode)
		},
		cause: "the token's audience is {audience}, and the token proxy of an identity binding takes only " + bindingAudience,
		fix:   "annotate the pod template with azure.workload.identity/use-identity-binding: \"true\" and recreate the pod, or turn Options.EnableAzureProxy off",
	},
	{
		codes: ofToken, field: aadsts.Audience,
		applies: func(f *facts) bool { return ForAPIServer(f.token) },
		cause:   "the token is the pod's own for Kubernetes (audience {audience}), not one for Entra ID",
		fix:     "let AZURE_FEDERATED_TOKEN_FILE name the file that the webhook mounts, or project a serviceAccountToken volume with the audience api://AzureADTokenExchange",
	},
	{
		codes: ofToken, field: aadsts.Token,
		applies: func(f *facts) bool { return f.token.Issuer == "kubernetes/serviceaccount" },
		cause:   "the token is from a Secret of a service account, whose issuer is no URL",
		fix:     "project a serviceAccountToken volume with the audience api://AzureADTokenExchange, as the webhook does",
	},
	{
		codes: ofToken, field: aadsts.Issuer,
		applies: func(f *facts) bool { return FromEntra(f.token) && f.audienceCloud().name == "" },
		cause:   "the token is an access token that Entra ID issued for {audience}, not a federated token: its issuer is Entra ID",
		fix:     "present the token of the workload's own issuer; of Entra ID's, only a managed identity's for api://AzureADTokenExchange will do",
	},
	{
		codes: []int{70021, 700211, 700213, 700222}, field: aadsts.Credential,
		applies: func(f *facts) bool {
			return FromEntra(f.token) && f.cloudsAgree(f.audienceCloud()) && IsGUID(f.token.Subject)
		},
		cause: "no federated credential of client ID {client} is for this managed identity, with the issuer {issuer}",
		fix:   "register that issuer with subject {subject}, the identity's object ID; it must be user-assigned, of the same tenant",
	},

	// Clouds.
	{
		codes: noMatch, field: aadsts.Audience, // the authority has the tenant
		applies: (*facts).audienceElsewhere,
		cause:   forAnotherCloud,
		fix:     "mount a token for api://AzureADTokenExchange, or set AZURE_AUTHORITY_HOST (or Options.Cloud) to the token's cloud",
	},
	{
		codes: []int{90002, 900382, 900432}, field: aadsts.Authority,
		applies: (*facts).audienceElsewhere,
		cause:   forAnotherCloud,
		fix:     "set AZURE_AUTHORITY_HOST (or Options.Cloud) to the token's cloud, or mount a token for api://AzureADTokenExchange",
	},
	{
		codes: ofCloud, field: aadsts.Authority,
		applies: func(f *facts) bool { return !f.cloudsAgree(f.scopeCloud()) },
		cause:   scopeElsewhere,
		fix:     "set AZURE_AUTHORITY_HOST (or Options.Cloud) to {scope authority}, or ask for this cloud's scope",
	},
	{
		codes: []int{500011}, field: aadsts.Scope, // the authority has the tenant
		applies: func(f *facts) bool { return !f.cloudsAgree(f.scopeCloud()) },
		cause:   scopeElsewhere,
		fix:     "ask for this cloud's scope, or set AZURE_AUTHORITY_HOST (or Options.Cloud) to {scope authority}",
	},

	// Issuer and subject.
	{
		codes: ofIssuer, field: aadsts.Issuer,
		applies: func(f *facts) bool { return !f.unreadable && private(f.token.Issuer) },
		cause:   "the issuer {issuer} is not a public https URL, so that Entra ID cannot fetch its keys",
		fix:     "AKS: az aks update --enable-oidc-issuer; own cluster: publish its two documents and set kube-apiserver's --service-account-issuer to their URL",
	},
	{
		codes: []int{700211}, field: aadsts.Credential,
		applies: func(f *facts) bool { name, _ := f.serviceAccount(); return name != "" },
		cause:   "no federated credential has exactly this issuer {slash}; a cluster made anew has a new one",
		fix:     "register the issuer {issuer} (az identity (or az ad app) federated-credential update --issuer; issuer in Bicep, Terraform); a new one counts after some minutes",
	},
	{
		codes: ofSubject, field: aadsts.ServiceAccount,
		applies: func(f *facts) bool { name, _ := f.serviceAccount(); return name == "default" },
		cause:   "the pod runs as the service account default, as one does that names none: subject {subject}",
		fix:     "set serviceAccountName in the pod template to the account that is registered, and recreate the pod; or register this subject",
	},
	{
		codes: []int{700213}, field: aadsts.Subject,
		applies: func(f *facts) bool { name, _ := f.serviceAccount(); return name != "" },
		cause:   "no federated credential of client ID {client} has the subject of service account {account} in namespace {namespace}",
		fix:     "register {subject} (az identity (or az ad app) federated-credential update --subject), or set serviceAccountName; a change counts after some minutes",
	},
	{
		codes: []int{7002138}, field: aadsts.Subject,
		applies: func(f *facts) bool { name, _ := f.serviceAccount(); return name != "" },
		cause:   "the registered subject has capital letters, which names in Kubernetes never have and which count",
		fix:     "write it in lower case: az identity (or az ad app) federated-credential update --subject {subject}; subject in Bicep and Terraform",
	},
	{
		codes: ofSubject, field: aadsts.Subject,
		applies: func(f *facts) bool { return hostOf(f.token.Issuer) == "token.actions.githubusercontent.com" },
		cause:   "no federated credential has exactly the subject {subject}: branch, tag, pull request and environment each have their own",
		fix:     "register that subject, or run the job in the environment that is registered (environment: in the workflow)",
	},

	// Lifetime, time and form of the token.
	{
		codes: []int{70023}, field: aadsts.Lifetime,
		applies: func(f *facts) bool { return !f.unreadable && f.token.IssuedAt.IsZero() },
		cause:   "the federated token has no iat, without which Entra ID cannot tell its lifetime",
		fix:     "let the issuer put iat into its tokens; those that Kubernetes projects have it",
	},
	{
		codes: []int{70023}, field: aadsts.Lifetime,
		applies: func(f *facts) bool { return !f.unreadable && f.token.Expiry.IsZero() },
		cause:   "the federated token has no exp: its lifetime is unlimited, as of a token in a service account's Secret",
		fix:     "project a serviceAccountToken volume, whose tokens expire, as the webhook does",
	},
	{
		codes: []int{70023}, field: aadsts.Lifetime,
		applies: func(f *facts) bool { return f.lifetime() > 24*time.Hour },
		cause:   "the federated token's lifetime is {lifetime}, and 24 h is the most",
		fix:     "lower it: azure.workload.identity/service-account-token-expiration (at most 86400), expirationSeconds of the projected volume, or the issuer's setting",
	},
	{
		codes: ofTime, field: aadsts.Clock,
		applies: func(f *facts) bool { return f.expired() && f.skew() > clockTolerance },
		cause:   "the clock of this machine is {skew} behind Entra ID's: the federated token expired at {expiry} unnoticed",
		fix:     "set the clock (NTP; on a node, chronyc tracking), then see what renews {source}",
	},
	{
		codes: ofTime, field: aadsts.Clock,
		applies: func(f *facts) bool {
			return f.token.NotBefore.After(f.there()) && f.skew() < -clockTolerance
		},
		cause: "the federated token is not valid before {begin}, and the clock of this machine is {skew} ahead of Entra ID's",
		fix:   "set the clock (NTP; on a node, chronyc tracking), here and where the token is issued",
	},
	{
		codes: ofTime, field: aadsts.Lifetime,
		applies: func(f *facts) bool { return f.token.NotBefore.After(f.there()) },
		cause:   "the federated token is not valid before {begin}, which is still to come by Entra ID's clock: its issuer's clock is ahead",
		fix:     "set the clock where the token is issued (NTP; in Kubernetes, of the control plane)",
	},
	{
		codes: ofTime, field: aadsts.Token,
		applies: func(f *facts) bool { return f.expired() && f.FromFile },
		cause:   "the federated token expired {age} ago and nothing renewed it",
		fix:     "mount the projected volume itself: the kubelet renews no subPath mount and no copied file, and some virtual nodes renew none; then recreate the pod",
	},
	{
		codes: ofTime, field: aadsts.Token,
		applies: func(f *facts) bool { return f.expired() },
		cause:   "the federated token from {source} expired {age} ago",
		fix:     "return a new token at each call, not one that was kept",
	},
	{
		codes: ofTime, field: aadsts.Token,
		applies: func(f *facts) bool {
			return !f.token.Expiry.IsZero() && f.token.Expiry.Sub(f.there()) < 5*time.Minute
		},
		cause: "the federated token was {age} from its expiry: nothing renews it in time",
		fix:   "see what renews {source}: the kubelet does after 80 % of the lifetime, but no subPath mount and no copied file; or give it a longer lifetime",
	},
	{
		codes: ofKey, field: aadsts.SigningKey,
		applies: func(f *facts) bool { return !f.unreadable && f.token.Algorithm != "RS256" },
		cause:   "the token is signed with {alg}; Entra ID takes RS256 only, from an RSA key",
		fix:     "give the issuer an RSA key (kube-apiserver: --service-account-signing-key-file) and publish it in its key set",
	},

	// Tenant and identity.
	{
		codes: ofTenant, field: aadsts.Tenant,
		applies: func(f *facts) bool { return strings.EqualFold(f.TenantID, f.ClientID) },
		cause:   "the tenant and the client ID are the same: {client}",
		fix:     "set AZURE_TENANT_ID to az identity show --query tenantId, and AZURE_CLIENT_ID to --query clientId (or Options.TenantID, Options.ClientID)",
	},
	{
		codes: ofTenant, field: aadsts.Tenant,
		applies: func(f *facts) bool {
			return slices.Contains([]string{"common", "organizations", "consumers"}, strings.ToLower(f.TenantID))
		},
		cause: "{tenant} is no tenant, but stands for any, which a workload cannot sign in to",
		fix:   "set AZURE_TENANT_ID (or Options.TenantID) to the identity's own: az identity show --query tenantId",
	},
	{
		codes: []int{700016}, field: aadsts.ClientID,
		applies: func(f *facts) bool { return !IsGUID(f.ClientID) },
		cause:   "the client ID {client} is not a GUID, but a name or another ID of the identity",
		fix:     "set AZURE_CLIENT_ID (annotation azure.workload.identity/client-id) to what az identity show --query clientId prints",
	},
	{
		codes: []int{700016}, field: aadsts.Tenant,
		applies: (*facts).clusterElsewhere,
		cause:   "client ID {client} is not in tenant {tenant}, but perhaps in the AKS cluster's, {issuer tenant}",
		fix:     "compare AZURE_TENANT_ID with az identity show --query tenantId, and AZURE_CLIENT_ID, which may be an object (principal) ID, with --query clientId",
	},
	{
		codes: []int{90002}, field: aadsts.Tenant,
		applies: (*facts).clusterElsewhere,
		cause:   "the tenant {tenant} does not exist at {host}; perhaps it should be the AKS cluster's, {issuer tenant}",
		fix:     "compare AZURE_TENANT_ID (or Options.TenantID) with az identity show --query tenantId, and AZURE_AUTHORITY_HOST (or Options.Cloud) with az cloud show",
	},

	// Scope.
	{
		codes: ofScope, field: aadsts.Scope,
		applies: func(f *facts) bool { return strings.Contains(f.Scope, "%2F") || strings.Contains(f.Scope, "%3A") },
		cause:   "the scope {scope} is encoded for a URL already, and was encoded again",
		fix:     "give the scope as it is, as https://vault.azure.net/.default",
	},
	{
		codes: []int{1002012, 70011}, field: aadsts.Scope,
		applies: func(f *facts) bool { return f.scopeWithoutDefault() == "" },
		cause:   "the scope {scope} has the right form, and Entra ID takes it for none of a resource's",
		fix:     "compare it with the resource's application ID URI and /.default; your own: az ad app show --query identifierUris",
	},
	{
		codes: ofScope, field: aadsts.Scope,
		applies: func(f *facts) bool { return f.scopeWithoutDefault() != "" },
		cause:   "the scope {one scope} lacks /.default at its end",
		fix:     "ask for the resource and /.default, as in {default scope}: a workload gets what it was granted, not single permissions",
	},
	{
		codes: []int{500011}, field: aadsts.Scope,
		applies: func(f *facts) bool {
			return slices.ContainsFunc(f.resources(), func(s string) bool { return strings.HasSuffix(hostOf(s), ".vault.azure.net") })
		},
		cause: "the scope {scope} is a key vault's own address, not that of the service",
		fix:   "ask for https://vault.azure.net/.default",
	},
}

// clusterElsewhere tells whether the AKS cluster is of another tenant than the one that was asked.
func (f *facts) clusterElsewhere() bool {
	tenant := f.issuerTenant()
	return tenant != "" && IsGUID(f.TenantID) && !strings.EqualFold(tenant, f.TenantID)
}

// cloudsAgree tells whether the authority is of the cloud, or which of the two is unknown.
func (f *facts) cloudsAgree(c cloud) bool {
	asked := cloudOfHost(f.Host)
	return c.name == "" || asked.name == "" || c.name == asked.name
}

// audienceElsewhere tells whether the token is for another cloud's Entra ID. The public audience goes everywhere: Microsoft's pages
// differ on which clouds have their own.
func (f *facts) audienceElsewhere() bool {
	return f.audienceCloud().name != clouds[0].name && !f.cloudsAgree(f.audienceCloud())
}

// tellsOfToken tells whether what the catalogue says of the code would name a claim.
func (f *facts) tellsOfToken() bool {
	return f.code == 50027 || slices.ContainsFunc([]string{"{issuer}", "{subject}", "{audience}", "{alg}"}, func(claim string) bool {
		return strings.Contains(f.entry.Cause+f.entry.Fix, claim)
	})
}

func (f *facts) expired() bool { return !f.token.Expiry.IsZero() && f.there().After(f.token.Expiry) }
