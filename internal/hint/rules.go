package hint

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/guid"
	"github.com/entrafed/entrafed/internal/webhook"
)

// rule refines the catalogue's entry for a code in one situation. The first rule that applies wins.
type rule struct {
	codes      []int // 0: a refusal without a code; nil: any
	field      Field
	applies    func(*facts) bool
	cause, fix string
	pod        string // replaces fix, in Kubernetes terms, if the token is a service account's
}

// about reports whether the rule is about the refusal's code. A code that is newer than the
// catalogue counts as the code without its last digit.
func (r rule) about(f *facts) bool {
	return r.codes == nil || slices.Contains(r.codes, f.code) || !f.known && slices.Contains(r.codes, f.code/10)
}

// Unswap is the fix for a client ID and a tenant that are swapped.
const Unswap = "swap AZURE_CLIENT_ID and AZURE_TENANT_ID (or Options.ClientID and Options.TenantID)"

const (
	forAnotherCloud = "the token's audience belongs to {audience cloud}, but the authority {host} belongs to {cloud}"
	scopeElsewhere  = "the scope {scope} belongs to {scope cloud}, but the authority {host} belongs to {cloud}"
)

// MaxLifetime is the longest lifetime of a federated token, by the message of 70023 (1.01:00:00).
const MaxLifetime = 25 * time.Hour

// clockTolerance exceeds the error of a reply's Date, which is in whole seconds and takes time to
// arrive.
const clockTolerance = 2 * time.Minute

var (
	noMatch   = []int{70021, 700211, 7002111, 700212, 7002121, 700213, 7002131, 70025}
	ofToken   = append([]int{70023, 700222}, noMatch...)
	ofFetch   = []int{90061, 50166, 501661}
	ofIssuer  = append([]int{70021, 700211, 7002111}, ofFetch...)
	ofSubject = []int{70021, 700213, 7002131}
	ofKey     = []int{Unreadable, 5002730, 5002738, 700027, 7000272, 7000274}
	ofTime    = []int{700024}
	ofTenant  = []int{90002, 900023, 700016}
	ofCloud   = []int{90002, 700016, 900382, 900432, 50049}
	ofScope   = []int{1002012, 70011, 500011}
)

// anyTenant holds the words that stand for any tenant in an authority.
var anyTenant = []string{"common", "organizations", "consumers"}

var rules = []rule{
	// The wrong token altogether.
	{
		codes: []int{Unreadable}, field: User,
		applies: func(f *facts) bool { return f.BadUserToken && (f.Derived || !f.unreadable) },
		cause:   "the user's token is not a JSON Web Token that Entra ID can read",
		fix:     "pass the access token that the user's client sent to this application, whole and without anything around it",
	},
	{
		field:   Token, // whatever the code is about
		applies: func(f *facts) bool { return f.unreadable && f.namesClaim() },
		cause:   "the federated token from {source} is not a readable JSON Web Token",
		fix:     "pass the token exactly as its issuer wrote it: three base64url parts, each claim of the right type, nothing around them",
	},
	{
		codes: ofToken, field: Binding,
		applies: func(f *facts) bool { return ForTokenProxy(f.token) && !f.Binding && f.BindingOffered },
		cause:   "the token's audience is " + bindingAudience + ", which is for the token proxy of the pod's AKS identity binding, but the token went to Entra ID",
		fix:     "set Options.EnableAzureProxy (AZURE_KUBERNETES_TOKEN_PROXY is already set), or project a token for {authority audience}",
	},
	{
		codes: ofToken, field: Audience,
		applies: func(f *facts) bool { return ForTokenProxy(f.token) && !f.Binding },
		cause:   "the token's audience is " + bindingAudience + ", which is for the token proxy of an AKS identity binding, but the token went to Entra ID",
		fix:     "project a token for {authority audience}, or use an identity binding: AKS sets AZURE_KUBERNETES_TOKEN_PROXY, and your program sets Options.EnableAzureProxy",
	},
	{
		codes: []int{0}, field: Binding,
		applies: func(f *facts) bool {
			return f.Binding && !f.unreadable && !ForTokenProxy(f.token) && slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, f.refusal.StatusCode)
		},
		cause: "the token's audience is {audience}, but the token proxy of an identity binding accepts only " + bindingAudience,
		fix:   "annotate the pod template with " + webhook.AnnotationIdentityBinding + ": \"true\" and recreate the pod, or turn off Options.EnableAzureProxy",
	},
	{
		codes: ofToken, field: Audience,
		applies: func(f *facts) bool { return ForAPIServer(f.token) },
		cause:   "this is the pod's token for the Kubernetes API (audience {audience}), not a token for Entra ID",
		fix:     "set AZURE_FEDERATED_TOKEN_FILE to the file that the webhook mounts, or project a serviceAccountToken volume with the audience {authority audience}",
	},
	{
		codes: ofToken, field: Token,
		applies: func(f *facts) bool { return f.token.Issuer == "kubernetes/serviceaccount" },
		cause:   "the token comes from a service account's Secret, and its issuer is not a URL",
		fix:     "project a serviceAccountToken volume with the audience {authority audience}, as the webhook does",
	},
	{
		codes: ofToken, field: Issuer,
		applies: func(f *facts) bool { return FromEntra(f.token) && !ForExchange(f.token) },
		cause:   "the token is an access token that Entra ID issued for {audience}, not a federated token",
		fix:     "present the token of the workload's own issuer; of its own tokens, Entra ID accepts only a managed identity's for api://AzureADTokenExchange",
	},
	{
		codes: append([]int{700222}, noMatch...), field: Credential,
		applies: func(f *facts) bool { return FromEntra(f.token) && strings.HasPrefix(f.token.Subject, "/eid1/") },
		cause:   "client ID {client} has no federated credential for this service connection of Azure DevOps",
		fix:     create,
	},
	{
		codes: []int{70021, 700211, 7002111, 700213, 7002131, 700222}, field: Credential,
		applies: func(f *facts) bool {
			return FromEntra(f.token) && f.cloudsAgree(f.audienceCloud()) && guid.Is(f.token.Subject)
		},
		cause: "client ID {client} has no federated credential for this managed identity",
		fix:   create + "; the subject is the identity's object ID, and the identity must be user-assigned and in the same tenant",
	},

	// Clouds.
	{
		codes: noMatch, field: Audience, // the authority has the tenant
		applies: (*facts).audienceElsewhere,
		cause:   forAnotherCloud,
		fix:     "present a token for {authority audience}",
	},
	{
		codes: []int{90002, 900382, 900432}, field: Authority,
		applies: (*facts).audienceElsewhere,
		cause:   forAnotherCloud,
		fix:     "set AZURE_AUTHORITY_HOST (or Options.Cloud) to {audience authority}",
	},
	{
		codes: []int{700212, 7002121}, field: Credential,
		applies: func(f *facts) bool {
			c := cloudOfHost(f.Host)
			return c.name != "" && c.name != clouds[0].name && f.audienceCloud().name == clouds[0].name
		},
		cause: "the federated credential has an audience other than {audience}, perhaps {authority audience}, which is usual in {cloud}",
		fix:   "set that credential's audience to {audience}, or present a token for {authority audience}",
		pod:   "set that credential's audience to {audience}, which the webhook projects in every cloud, or project a token for {authority audience} (the webhook's --audience)",
	},
	{
		codes: ofCloud, field: Authority,
		applies: func(f *facts) bool { return !f.cloudsAgree(f.scopeCloud()) },
		cause:   scopeElsewhere,
		fix:     "set AZURE_AUTHORITY_HOST (or Options.Cloud) to {scope authority}",
	},
	{
		codes: []int{500011}, field: Scope, // the authority has the tenant
		applies: func(f *facts) bool { return !f.cloudsAgree(f.scopeCloud()) },
		cause:   scopeElsewhere,
		fix:     "ask for the scope of the resource in this cloud",
	},

	// Issuer and subject.
	{
		codes: ofIssuer, field: Issuer,
		applies: func(f *facts) bool { return !f.unreadable && Private(f.token.Issuer) },
		cause:   "the issuer {issuer} is not a public https URL, so Entra ID cannot fetch its keys",
		fix:     "publish the issuer's two documents at a public https URL, and issue tokens with that URL as their issuer",
		pod: "AKS: az aks update --enable-oidc-issuer; own cluster: publish the issuer's two documents, and set kube-apiserver's --service-account-issuer and " +
			"--service-account-jwks-uri to their URLs",
	},
	{
		codes: ofFetch, field: Issuer,
		applies: func(f *facts) bool { return f.issuerTenant() != "" },
		cause:   unreached,
		fix:     "compare the issuer with az aks show --query oidcIssuerProfile.issuerUrl (a deleted cluster has none); " + publish,
	},
	{
		codes: []int{700211, 7002111}, field: Credential,
		applies: (*facts).inPod,
		cause:   "no federated credential has exactly this issuer {slash}; a recreated cluster has a new issuer",
		fix:     create,
	},
	{
		codes: ofSubject, field: ServiceAccount,
		applies: func(f *facts) bool { name, _ := serviceAccount(f.token.Subject); return name == "default" },
		cause:   "the pod runs as service account default in namespace {namespace}, like every pod that does not name another",
		fix:     "if another service account of this namespace is registered, set it as serviceAccountName in the pod template and recreate the pod; otherwise " + create,
	},
	{
		codes: []int{700213, 7002131}, field: Subject,
		applies: (*facts).inPod,
		cause:   "no federated credential has the subject of service account {account} in namespace {namespace}",
		fix:     create + "; or run the pod as the registered service account, in its namespace",
	},
	{
		codes: []int{7002138}, field: Subject,
		applies: (*facts).inPod,
		cause:   "the registered subject has capital letters; names in Kubernetes never do, and subjects are case-sensitive",
		fix:     create,
	},
	{
		codes: ofSubject, field: Subject,
		applies: (*facts).fromGitHub,
		cause: "no federated credential has this subject: each branch, tag and environment has its own, and all pull requests share one; " +
			"repositories created, renamed or transferred since 2026-07-15 appear in it as OWNER@ID/REPO@ID, others as OWNER/REPO",
		fix: create,
	},
	{
		codes: ofSubject, field: Subject,
		applies: func(f *facts) bool {
			return strings.HasPrefix(f.token.Subject, "project_path:") || strings.HasPrefix(f.token.Subject, "project_id:")
		},
		cause: "no federated credential has this subject: each branch and tag has its own; " +
			"it begins with project_path:GROUP/PROJECT or, if the project is configured so, project_id:ID",
		fix: create,
	},

	// Lifetime, time and form of the token.
	{
		codes: []int{70023}, field: Lifetime,
		applies: func(f *facts) bool { return !f.unreadable && f.token.IssuedAt.IsZero() },
		cause:   "the federated token has no iat, so Entra ID cannot determine its lifetime",
		fix:     "have the issuer add iat to its tokens",
	},
	{
		codes: []int{70023}, field: Lifetime,
		applies: func(f *facts) bool { return !f.unreadable && f.token.Expiry.IsZero() },
		cause:   "the federated token has no exp: its lifetime is unlimited",
		fix:     "have the issuer add exp to its tokens, at most 24 h after iat",
		pod:     "project a serviceAccountToken volume, as the webhook does: its tokens expire, unlike a token in a Secret",
	},
	{
		codes: []int{70023}, field: Lifetime,
		applies: func(f *facts) bool { return f.lifetime() > MaxLifetime },
		cause:   "the federated token's lifetime is {lifetime}; the maximum is 25 h",
		fix:     "have the issuer give it a shorter lifetime",
		pod:     "lower " + webhook.AnnotationExpiration + " (at most 86400), or expirationSeconds of the projected volume",
	},
	{
		codes: ofTime, field: Clock,
		applies: func(f *facts) bool { return f.expired() && f.skew() > clockTolerance },
		cause:   "this machine's clock is {behind} Entra ID's, so the federated token expired{at expiry} unnoticed",
		fix:     "set the clock (NTP; chronyc tracking shows it), then check what renews {source}",
	},
	{
		codes: ofTime, field: Clock,
		applies: func(f *facts) bool {
			return f.token.NotBefore.After(f.entraTime()) && f.skew() < -clockTolerance
		},
		cause: "the federated token is not valid {yet}, and this machine's clock is {ahead} of Entra ID's",
		fix:   "set the clock (NTP; chronyc tracking shows it), here and where the token is issued",
	},
	{
		codes: ofTime, field: Lifetime,
		applies: func(f *facts) bool { return f.token.NotBefore.After(f.entraTime()) },
		cause:   "by Entra ID's clock, the federated token is not valid {yet}: its issuer's clock is ahead",
		fix:     "set the clock of the token's issuer (NTP)",
		pod:     "set the clock of the control plane, which issues the token (NTP)",
	},
	{
		codes: ofTime, field: Token,
		applies: func(f *facts) bool { return f.expired() && f.FromFile },
		cause:   "the federated token {expired} and nothing renewed it",
		fix:     "check what renews {source}: nothing renews a copied file",
		pod:     "mount the projected volume itself and recreate the pod: the kubelet renews neither subPath mounts nor copied files, and some virtual nodes renew nothing",
	},
	{
		codes: ofTime, field: Token,
		applies: func(f *facts) bool { return f.expired() },
		cause:   "the federated token from {source} {expired}",
		fix:     "return a new token on each call, not a stored one",
	},
	{
		codes: ofTime, field: Token,
		applies: func(f *facts) bool {
			return !f.token.Expiry.IsZero() && f.token.Expiry.Sub(f.entraTime()) < 5*time.Minute
		},
		cause: "the federated token was {near} its expiry: nothing renews it in time",
		fix:   "check what renews {source}, or give the token a longer lifetime",
		pod:   "check what renews {source}, or give the token a longer lifetime: the kubelet renews it at 80 % of its lifetime, except in subPath mounts and copied files",
	},
	{
		codes: ofKey, field: SigningKey,
		applies: func(f *facts) bool { return !f.unreadable && f.token.Algorithm != "RS256" },
		cause:   "the token is signed with {alg}; Entra ID accepts only RS256, with an RSA key",
		fix:     rsaKey, pod: rsaKeyOfAPI,
	},

	// Tenant and identity.
	{
		codes: []int{0}, field: Authority,
		applies: func(f *facts) bool { return f.refusal.StatusCode == http.StatusNotFound && f.tenantInAuthority() },
		cause:   "the authority's path already names a tenant, and the request adds {tenant}",
		fix:     "remove the path from AZURE_AUTHORITY_HOST (or Options.Cloud), as in https://login.microsoftonline.com; AZURE_TENANT_ID (or Options.TenantID) sets the tenant",
	},
	{
		codes: ofTenant, field: Tenant,
		applies: func(f *facts) bool {
			return f.clusterElsewhere() && strings.EqualFold(f.ClientID, f.issuerTenant())
		},
		cause: "the client ID and the tenant are swapped: {client} is the tenant of the AKS cluster",
		fix:   Unswap,
	},
	{
		codes: ofTenant, field: Tenant,
		applies: func(f *facts) bool { return strings.EqualFold(f.TenantID, f.ClientID) },
		cause:   "the tenant and the client ID are the same: {client}",
		fix:     "set AZURE_TENANT_ID (or Options.TenantID) to what az identity show --query tenantId prints, and AZURE_CLIENT_ID (or Options.ClientID) to what --query clientId prints",
	},
	{
		codes: ofTenant, field: Tenant,
		applies: func(f *facts) bool {
			return slices.Contains(anyTenant, strings.ToLower(f.TenantID))
		},
		cause: "{tenant} is not a tenant: it stands for any tenant, and a workload can sign in only to its own",
		fix:   "set AZURE_TENANT_ID (or Options.TenantID) to the identity's tenant: az identity show --query tenantId",
	},
	{
		codes: []int{700016}, field: ClientID,
		applies: func(f *facts) bool { return !guid.Is(f.ClientID) },
		cause:   "the client ID {client} is not a GUID; it is a name or another ID of the identity",
		fix:     "set AZURE_CLIENT_ID (or Options.ClientID) to what az identity show --query clientId prints",
		pod:     "set AZURE_CLIENT_ID (annotation " + webhook.AnnotationClientID + ") to what az identity show --query clientId prints",
	},
	{
		codes: []int{700016}, field: Tenant,
		applies: (*facts).clusterElsewhere,
		cause:   "client ID {client} is not in tenant {tenant}; it may be in the AKS cluster's tenant, {issuer tenant}",
		fix:     "compare AZURE_TENANT_ID with az identity show --query tenantId, and AZURE_CLIENT_ID (is it an object (principal) ID?) with --query clientId",
	},
	{
		codes: []int{90002}, field: Tenant,
		applies: (*facts).clusterElsewhere,
		cause:   "tenant {tenant} does not exist at {host}; perhaps it should be the AKS cluster's tenant, {issuer tenant}",
		fix:     "compare AZURE_TENANT_ID (or Options.TenantID) with az identity show --query tenantId, and AZURE_AUTHORITY_HOST (or Options.Cloud) with az cloud show",
	},

	// Scope.
	{
		codes: ofScope, field: Scope,
		applies: func(f *facts) bool { return strings.Contains(f.Scope, "%2F") || strings.Contains(f.Scope, "%3A") },
		cause:   "the scope {scope} is already URL-encoded, and was encoded again",
		fix:     "pass the scope unencoded, such as https://vault.azure.net/.default",
	},
	{
		codes: []int{1002012, 70011}, field: Scope,
		applies: func(f *facts) bool { return f.scopeWithoutDefault() == "" },
		cause:   "the scope {scope} is well formed, but Entra ID does not know its resource",
		fix:     "compare it with the resource's application ID URI plus /.default; for your own app, see az ad app show --query identifierUris",
	},
	{
		codes: []int{70011}, field: Scope,
		applies: func(f *facts) bool { return f.scopeWithoutDefault() != "" && f.Delegated },
		cause:   "Entra ID does not accept the scope {scope}",
		fix:     "ask for permissions of one resource, such as https://graph.microsoft.com/User.Read, or for its /.default",
	},
	{
		codes: ofScope, field: Scope,
		applies: func(f *facts) bool { return f.scopeWithoutDefault() != "" && !f.Delegated },
		cause:   "the scope {one scope} does not end in /.default",
		fix:     "ask for the resource plus /.default, as in {default scope}: a workload gets all that it was granted, not single permissions",
	},
	{
		codes: []int{500011}, field: Scope,
		applies: func(f *facts) bool {
			return slices.ContainsFunc(f.resources(), func(s string) bool { return strings.HasSuffix(hostOf(s), ".vault.azure.net") })
		},
		cause: "the scope {scope} is the address of one key vault, not of the service",
		fix:   "ask for https://vault.azure.net/.default",
	},
}

// tenantInAuthority reports whether the authority has a path that begins with a tenant. A proxy's
// authority may have another path.
func (f *facts) tenantInAuthority() bool {
	u, err := url.Parse(f.refusal.URL())
	if err != nil || f.Binding {
		return false
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return strings.HasSuffix("/"+rest, "/"+f.TenantID+"/oauth2/v2.0/token") &&
		(guid.Is(first) || strings.EqualFold(first, f.TenantID) || slices.Contains(anyTenant, strings.ToLower(first)))
}

// fromGitHub reports whether the token is a GitHub workflow's. A GitHub Enterprise Server has its
// own issuer. For the forms of subjects, see
// https://docs.github.com/actions/reference/security/oidc.
func (f *facts) fromGitHub() bool {
	return hostOf(f.token.Issuer) == "token.actions.githubusercontent.com" || strings.HasPrefix(f.token.Subject, "repo:")
}

// clusterElsewhere reports whether the AKS cluster belongs to a tenant other than the one asked.
func (f *facts) clusterElsewhere() bool {
	tenant := f.issuerTenant()
	return tenant != "" && guid.Is(f.TenantID) && !strings.EqualFold(tenant, f.TenantID)
}

// cloudsAgree reports whether the authority belongs to the cloud, or one of the two is unknown.
func (f *facts) cloudsAgree(c cloud) bool {
	asked := cloudOfHost(f.Host)
	return c.name == "" || asked.name == "" || c.name == asked.name
}

// audienceElsewhere reports whether the token is for another cloud's Entra ID. The public audience
// counts as valid everywhere: Microsoft's pages differ on which clouds have their own.
func (f *facts) audienceElsewhere() bool {
	return f.audienceCloud().name != clouds[0].name && !f.cloudsAgree(f.audienceCloud())
}

// namesClaim reports whether the catalogue's text for the code names a claim of the token.
func (f *facts) namesClaim() bool {
	return f.code == Unreadable || slices.ContainsFunc([]string{"{issuer}", "{discovery}", "{subject}", "{audience}", "{alg}"}, func(claim string) bool {
		return strings.Contains(f.entry.Cause+f.entry.Fix, claim)
	})
}

func (f *facts) expired() bool {
	return !f.token.Expiry.IsZero() && f.entraTime().After(f.token.Expiry)
}
