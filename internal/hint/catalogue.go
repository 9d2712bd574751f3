package hint

import "github.com/entrafed/entrafed/internal/webhook"

// What several codes have in common.
const (
	// create adds a credential: changing one could take it from another workload.
	create = "create a federated credential with issuer {issuer}, subject {subject}, audience {audience to register} " +
		"(doctor -emit az prints the command); it takes effect in a few minutes"

	overloaded    = "Entra ID, or a service behind it, is overloaded or down; nothing is wrong with your setup"
	wait          = "wait and try again; see https://azure.status.microsoft for the status of Entra ID"
	otherAudience = "the federated credential for this issuer and subject has an audience other than {audience to register}"
	fixAudience   = "set that credential's audience to {audience to register}, or present a token for the audience it has"
	unreached     = "Entra ID could not fetch {discovery}, or the keys it points to (jwks_uri)"
	publish       = "make both issuer documents public, without sign-in or firewall; curl them from outside to check"
	publishKeys   = publish + "; kube-apiserver's --service-account-jwks-uri sets the URL of the keys"
	rsaKey        = "give the issuer an RSA key and publish it in the key set"
	rsaKeyOfAPI   = rsaKey + " (kube-apiserver: --service-account-signing-key-file)"
	compareKeys   = "compare the issuer's keys with those that {issuer} publishes"
	comparePod    = "compare kubectl get --raw /openid/v1/jwks with the keys that {issuer} publishes"
	noCross       = "the identity and the authority {host} belong to different clouds"
	oneCloud      = "set AZURE_AUTHORITY_HOST (or Options.Cloud) to the authority of the identity's cloud (az cloud show prints it); " +
		"federation across clouds is not possible"
	lost      = "the request reached Entra ID without the federated token, or with an empty one"
	keepBody  = "check what changes the request on its way (a proxy, a policy in ClientOptions), and that {source} is not empty"
	noSecrets = "Entra ID judged a client secret or a user's sign-in, but this request has neither: " +
		"another credential in the chain answered, or something changed the request on its way"
	fixChain  = "check the credential chain, and any proxy or policy that changes the request"
	asManaged = "register a federated credential with issuer https://login.microsoftonline.com/TENANT/v2.0; its subject is " +
		"the object (principal) ID of a user-assigned managed identity in the same tenant"
)

// catalogue has the codes that public reports or Microsoft's reference show for federated
// exchanges.
var catalogue = []Entry{
	// The federated credential does not match.
	{
		Code: 70021, Field: Credential, Passes: Propagation,
		Means: "no federated credential matches the token",
		Cause: "no federated credential of the identity has exactly this issuer {slash}, subject and audience",
		Fix:   create,
	},
	{
		Code: 700211, Field: Credential, Passes: Propagation,
		Means: "no federated credential has the token's issuer",
		Cause: "no federated credential of the identity has exactly this issuer {slash}",
		Fix:   create,
	},
	{
		Code: 7002111, Field: Credential, Passes: Propagation,
		Means: "no federated credential has the token's issuer",
		Cause: "no federated credential of the identity has exactly this issuer {slash}",
		Fix:   create,
	},
	{
		Code: 700212, Field: Credential,
		Means: "the federated credential has a different audience",
		Cause: otherAudience, Fix: fixAudience,
	},
	{
		Code: 7002121, Field: Credential,
		Means: "the federated credential has a different audience",
		Cause: otherAudience, Fix: fixAudience,
	},
	{
		Code: 700213, Field: Subject, Passes: Propagation,
		Means: "no federated credential of the issuer has the token's subject",
		Cause: "the identity has no federated credential for this issuer with exactly this subject",
		Fix:   create,
	},
	{
		// Also for identities with a flexible credential.
		Code: 7002131, Field: Subject, Passes: Propagation,
		Means: "no federated credential or claims expression matches the token's subject",
		Cause: "the identity has no federated credential for this issuer whose subject or expression matches this subject",
		Fix:   "fix the expression (claimsMatchingExpression), or " + create,
	},
	{
		Code: 7002137, Field: Subject,
		Means: "no federated credential of the agent identity has the token's subject",
		Cause: "{client} has no federated credential for the subject {subject}, which Entra ID itself issued",
		Fix:   "present a token with the subject that Entra ID's message expects",
	},
	{
		Code: 7002138, Field: Subject,
		Means: "the subject matches except for its case",
		Cause: "the registered subject differs from this one only in upper and lower case; subjects are case-sensitive",
		Fix:   create,
	},
	{
		Code: 7002381, Field: Policy,
		Means: "the tenant's policy requires another enterprise claim",
		Cause: "a policy of tenant {tenant} accepts federated tokens only from certain GitHub enterprises, not from this one",
		Fix:   "ask the tenant's administrator to allow this enterprise, or run the workflow in an allowed one",
	},
	{
		Code: 70025, Field: Credential, Passes: Propagation,
		Means: "the identity has no federated credential at all",
		Cause: "the identity has no federated credential, or it was created only minutes ago",
		Fix:   create + "; or set the client ID of the identity that has one",
	},

	// The federated token.
	{
		Code: 70023, Field: Lifetime,
		Means: "the token's lifetime is too long or unknown",
		Cause: "the federated token's lifetime exceeds 25 h, or the token lacks iat or exp",
		Fix:   "use a token that lives at most 25 h and has iat and exp",
		Pod:   "use a token that lives at most 86400 s (expirationSeconds of the projected volume)",
	},
	{
		Code: 700024, Field: Token, Passes: Reread,
		Means: "the token has expired or is not valid yet",
		Cause: "the federated token was not valid when it arrived: it was renewed too late, or a clock is wrong",
		Fix:   "check what renews {source}, and compare the clocks of this machine and the token's issuer with Entra ID's",
	},
	{
		Code: Unreadable, Field: Token, Passes: Reread,
		Means: "the assertion is not a JWT that Entra ID can read",
		Cause: "the federated token is malformed: a claim has the wrong type, or something changed the token",
		Fix:   "check what writes {source}: a token has three base64url parts, is signed with RS256, and has nothing around it",
	},
	{
		Code: 5002726, Field: Token,
		Means: "the token's header has a member that Entra ID does not accept",
		Cause: "the federated token's header has a member other than typ, alg, kid, x5t and x5c; Entra ID accepts no others",
		Fix:   "have the token's issuer leave it out",
	},
	{
		Code: 5002727, Field: Token,
		Means: "the token's header has a type that Entra ID does not accept",
		Cause: "the federated token's header has a typ other than JWT, such as at+jwt, the type of access tokens",
		Fix:   "have the token's issuer write JWT, or leave typ out",
	},
	{
		Code: 5002730, Field: SigningKey,
		Means: "the signing key does not fit the token's algorithm",
		Cause: "the issuer's key does not fit the algorithm {alg}; Entra ID accepts only RS256, with an RSA key",
		Fix:   rsaKey, Pod: rsaKeyOfAPI,
	},
	{
		Code: 5002738, Field: SigningKey,
		Means: "the token's signature algorithm is not supported",
		Cause: "the token is signed with {alg}; Entra ID accepts only RS256, with an RSA key",
		Fix:   rsaKey, Pod: rsaKeyOfAPI,
	},
	{
		Code: 700027, Field: SigningKey,
		Means: "the assertion's signature is not valid",
		Cause: "the token's signature does not match the issuer's key: the token was altered, or another key with the same ID signed it",
		Fix:   compareKeys, Pod: comparePod,
	},
	{
		Code: 7000272, Field: SigningKey, Passes: Propagation,
		Means: "the issuer does not publish the key that signed the token",
		Cause: "the key that signed the token is not in the issuer's key set, or Entra ID still has an old key set (for 20 to 30 minutes)",
		Fix:   compareKeys + "; after a key rotation, wait",
		Pod:   comparePod + "; after a key rotation, wait",
	},
	{
		Code: 7000274, Field: SigningKey,
		Means: "the token's signature does not match the issuer's key",
		Cause: "the token was altered after signing, or the issuer publishes a different key with the same ID",
		Fix:   "check what handles {source} on its way; " + compareKeys,
		Pod:   "check what handles {source} on its way; " + comparePod,
	},
	{
		// Also returned until a new credential for a managed identity takes effect.
		Code: 700222, Field: Issuer, Passes: Propagation,
		Means: "the token was issued by Entra ID itself",
		Cause: "Entra ID itself issued the federated token; of its own tokens it accepts only those of managed identities",
		Fix:   asManaged,
	},
	{
		Code: 700226, Field: Token,
		Means: "of its own tokens, Entra ID accepts only those of managed identities",
		Cause: "Entra ID issued the federated token, but not to a managed identity",
		Fix:   "use the token of a user-assigned managed identity",
	},
	{
		Code: 700227, Field: Audience,
		Means: "the audience is not allowed for Entra ID's own tokens",
		Cause: "the managed identity's token has the audience {audience}, which is not allowed here",
		Fix:   "ask the managed identity for api://AzureADTokenExchange (append USGov in Azure Government, China in Azure China)",
	},
	{
		Code: 700229, Field: Token,
		Means: "of its own tokens, Entra ID accepts only those of applications",
		Cause: "the federated token belongs to a user, not to an application",
		Fix:   "use the token of a user-assigned managed identity",
	},

	{ // seen on AKS: Azure/kars@e3d6135, docs/architecture/entra-agent-id/01-runtime-token-flow.md
		Code: 700231, Field: Token,
		Means: "the token was itself obtained with a federated credential",
		Cause: "Entra ID issued the federated token in exchange for another federated token, and does not accept such a token again",
		Fix:   "register the first token's issuer and subject with {client} and present that token, or use a managed identity of the machine",
	},

	// The issuer, as Entra ID reaches it.
	{Code: 90061, Field: Issuer, Passes: Propagation, Means: "Entra ID could not reach the issuer", Cause: unreached, Fix: publish, Pod: publishKeys},
	{Code: 50166, Field: Issuer, Passes: Propagation, Means: "Entra ID could not reach or read the issuer", Cause: unreached, Fix: publish, Pod: publishKeys},
	{Code: 501661, Field: Issuer, Passes: Propagation, Means: "Entra ID could not reach or read the issuer", Cause: unreached, Fix: publish, Pod: publishKeys},

	// Tenant, identity, cloud.
	{
		Code: 700016, Field: ClientID,
		Means: "the tenant has no application with the client ID",
		Cause: "client ID {client} is not in tenant {tenant}: it is an object (principal) ID, belongs to another tenant, was deleted or is too new",
		Fix:   "compare it with az identity show --query clientId (app registration: az ad app show --query appId)",
		Pod: "compare it with az identity show --query clientId (app registration: az ad app show --query appId); " +
			"AZURE_CLIENT_ID comes from the annotation " + webhook.AnnotationClientID,
	},
	{
		Code: 90002, Field: Tenant,
		Means: "this cloud has no such tenant",
		Cause: "tenant {tenant} does not exist at {host}: the ID is wrong, is a client ID, or belongs to another cloud",
		Fix: "compare AZURE_TENANT_ID (or Options.TenantID) with az account show --query tenantId, AZURE_CLIENT_ID (or Options.ClientID) with " +
			"az identity show --query clientId, and AZURE_AUTHORITY_HOST (or Options.Cloud) with az cloud show",
	},
	{
		Code: 900023, Field: Tenant,
		Means: "the tenant's name is malformed",
		Cause: "tenant {tenant} is neither a GUID nor a domain name",
		Fix:   "set AZURE_TENANT_ID (or Options.TenantID) to what az account show --query tenantId prints",
	},
	{
		Code: 7000112, Field: Application,
		Means: "the application is disabled",
		Cause: "the application with client ID {client} is disabled in tenant {tenant}",
		Fix:   "enable it in the portal (Enterprise applications, Properties, Enabled for users to sign in) or with az ad sp update --id {client} --set accountEnabled=true",
	},
	{
		Code: 7000229, Field: Application,
		Means: "the tenant has no service principal for the application",
		Cause: "the app with client ID {client} has no service principal in tenant {tenant}: nobody consented there, or it is the wrong tenant",
		Fix:   "sign in to that tenant and run az ad sp create --id {client}, or set AZURE_TENANT_ID (or Options.TenantID) to the app's own tenant",
	},
	{
		Code: 70052, Field: Application,
		Means: "this kind of identity is not supported here",
		Cause: "client ID {client} is a multi-tenant app, which does not accept Entra ID's own tokens",
		Fix:   "use a managed identity or a single-tenant app",
	},
	{Code: 900382, Field: Authority, Means: "identity and authority belong to different clouds", Cause: noCross, Fix: oneCloud},
	{Code: 900432, Field: Authority, Means: "identity and authority belong to different clouds", Cause: noCross, Fix: oneCloud},
	{
		Code: 50049, Field: Authority,
		Means: "Entra ID does not know the authority",
		Cause: "Entra ID does not know the authority {host}",
		Fix:   "set AZURE_AUTHORITY_HOST (or Options.Cloud) to your cloud's authority, which az cloud show prints (endpoints.activeDirectory)",
	},
	{
		Code: 100007, Field: Region,
		Means: "the regional endpoint does not serve this kind of request",
		Cause: "AZURE_REGIONAL_AUTHORITY_NAME sends the request to a regional endpoint, which serves few kinds of requests",
		Fix:   "unset AZURE_REGIONAL_AUTHORITY_NAME",
	},

	// Policies of the tenant.
	{
		Code: 700223, Field: Policy,
		Means: "the tenant restricts workload identity federation",
		Cause: "a policy of tenant {tenant} restricts or forbids workload identity federation",
		Fix:   "ask the tenant's administrator to allow the issuer {issuer}",
	},
	{
		Code: 700238, Field: Policy,
		Means: "the tenant does not allow the issuer",
		Cause: "a policy of tenant {tenant} does not allow this issuer in federated credentials",
		Fix:   "ask the tenant's administrator to allow the issuer {issuer}",
	},
	{
		Code: 53003, Field: Policy,
		Means: "Conditional Access blocked the token",
		Cause: "a Conditional Access policy for workload identities blocks client ID {client}, perhaps because of its IP address",
		Fix:   "use the correlation ID to find the policy in the portal: Entra ID, Sign-in logs, Service principal sign-ins",
	},
	{
		Code: 530032, Field: Policy,
		Means: "a security policy of the tenant blocked the token",
		Cause: "a security policy of tenant {tenant} blocks client ID {client}",
		Fix:   "use the correlation ID to find the policy in the portal: Entra ID, Sign-in logs, Service principal sign-ins",
	},

	// Scope and resource.
	{
		Code: 500011, Field: Scope,
		Means: "the tenant does not know the resource",
		Cause: "tenant {tenant} has no resource for the scope {scope}: it is misspelled, belongs to another cloud, or is not installed there",
		Fix:   "ask for the resource's application ID URI plus /.default, such as https://vault.azure.net/.default; for your own app, see az ad app show --query identifierUris",
	},
	{
		Code: 1002012, Field: Scope,
		Means: "the scope does not end in /.default",
		Cause: "the scope {scope} is not a resource's application ID URI plus /.default",
		Fix:   "ask for a scope such as https://vault.azure.net/.default",
	},
	{
		Code: 70011, Field: Scope,
		Means: "the scope is not valid",
		Cause: "the scope {scope} is not a resource's application ID URI plus /.default",
		Fix:   "ask for a scope such as https://vault.azure.net/.default",
	},
	{
		Code: 700022, Field: Scope,
		Means: "the scopes belong to several resources",
		Cause: "the scope {scope} names several resources, but a token is for one",
		Fix:   "call GetToken once for each resource",
	},

	// The request. Something on the way must have changed it: the client sends it whole.
	{
		Code: 900144, Field: Request,
		Means: "the request lacks a field",
		Cause: "a field of the request did not reach Entra ID",
		Fix:   "check what changes the request on its way: a proxy, a policy in ClientOptions",
	},
	{Code: 7000216, Field: Request, Passes: Reread, Means: "the request has no assertion", Cause: lost, Fix: keepBody},
	{Code: 7000218, Field: Request, Means: "the request has no assertion", Cause: lost, Fix: keepBody},
	{
		Code: 9002313, Field: Request,
		Means: "the request is malformed",
		Cause: "the request did not reach Entra ID as it was sent",
		Fix:   "check what changes the request on its way (a proxy, a policy in ClientOptions), and any claims that the caller passed",
	},
	{Code: 7000215, Field: Request, Means: "a client secret is not valid", Cause: noSecrets, Fix: fixChain},
	{Code: 7000222, Field: Request, Means: "a client secret has expired", Cause: noSecrets, Fix: fixChain},
	{Code: 50173, Field: Request, Means: "a user's grant was revoked", Cause: noSecrets, Fix: fixChain},

	// The user's token of the on-behalf-of flow
	// (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow).
	{
		Code: 50013, Field: User,
		Means: "the user's token is not valid",
		Cause: "the user's token has the wrong audience, comes from another tenant or cloud, or was altered",
		Fix:   "pass the access token that the user's client sent to this application; its audience must be the application's client ID or URI",
	},
	{
		Code: 500131, Field: User,
		Means: "the user's token is for another application",
		Cause: "the audience of the user's token is not the application that acts on the user's behalf (for an agent, its blueprint)",
		Fix:   "have the user's client request a scope of this application, and pass that token",
	},
	{
		Code: 500133, Field: User,
		Means: "the user's token has expired",
		Cause: "the user's token was no longer valid when it arrived",
		Fix:   "pass the token of the request being served, and have the user's client renew it in time",
	},
	{
		Code: 65001, Field: User,
		Means: "nobody consented to the requested scope",
		Cause: "neither the user nor an administrator has consented to the scope {scope} for {client}",
		Fix:   "add the permission to the application and consent for the tenant (portal, App registrations, API permissions), or let the user consent",
	},
	{
		Code: 50076, Field: User,
		Means: "the user must complete multi-factor authentication",
		Cause: "a policy of tenant {tenant} requires the user to complete multi-factor authentication",
		Fix:   "send the error's Claims to the user's client, which must sign the user in with them and call again",
	},
	{
		Code: 50079, Field: User,
		Means: "the user must enroll in multi-factor authentication",
		Cause: "a policy of tenant {tenant} requires the user to enroll in multi-factor authentication",
		Fix:   "send the error's Claims to the user's client, which must sign the user in with them and call again",
	},

	// Entra ID itself.
	{
		Code: 50196, Field: Request,
		Means: "the client asks for the same token too often",
		Cause: "the program repeats the same request: it creates a credential for each call, or restarts in a loop",
		Fix:   "create one Credential per identity and share it",
	},
	{Code: 50033, Field: Service, Passes: Overload, Means: "a transient error", Cause: overloaded, Fix: wait},
	{Code: 50087, Field: Service, Passes: Overload, Means: "a transient error", Cause: overloaded, Fix: wait},
	{Code: 90006, Field: Service, Passes: Overload, Means: "a service behind Entra ID is unavailable", Cause: overloaded, Fix: wait},
	{Code: 90012, Field: Service, Passes: Overload, Means: "the request timed out within Entra ID", Cause: overloaded, Fix: wait},
	{Code: 90024, Field: Service, Passes: Overload, Means: "a request budget was exceeded", Cause: overloaded, Fix: wait},
	{Code: 90033, Field: Service, Passes: Overload, Means: "a service behind Entra ID is unavailable", Cause: overloaded, Fix: wait},
	{
		Code: 90055, Field: Service, Passes: Overload,
		Means: "the tenant is throttled",
		Cause: "tenant {tenant} sends Entra ID too many requests, from this program or others",
		Fix:   "wait and try again; create one Credential per identity and share it",
	},
	{Code: 90090, Field: Service, Passes: Overload, Means: "a request to Microsoft Graph failed", Cause: overloaded, Fix: wait},
}

// families describe codes that are newer than the catalogue. Entra ID makes a code more specific by
// adding a digit to it.
var families = []struct {
	from, to int
	Entry
}{
	{700200, 700299, newFederation},
	{7002000, 7002999, newFederation},
	{5002700, 5002799, Entry{
		Field: Token,
		Means: "Entra ID does not accept the token itself",
		Cause: "Entra ID does not accept the federated token's header, claims or signature",
		Fix:   "read Entra ID's message, and check what issues {source}",
	}},
}

var newFederation = Entry{
	Field: Credential, Passes: Propagation,
	Means: "no federated credential applies to the token",
	Cause: "no federated credential of the identity applies to the token; Entra ID's message says more",
	Fix:   "if no credential fits the token, " + create,
}
