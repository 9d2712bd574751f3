package aadsts

// What several codes have in common.
const (
	newOne = "; a new one counts after some minutes"
	update = "az identity (or az ad app) federated-credential update"

	overloaded    = "Entra ID, or a part of it, is overloaded or down; nothing is wrong here"
	wait          = "wait, it is tried again; the state of Entra ID is at https://azure.status.microsoft"
	otherAudience = "the federated credential with this issuer and subject has another audience than {audience}"
	mendAudience  = "mount a token for the registered audience, as a rule api://AzureADTokenExchange (audience of the projected volume), or register this one: " +
		update + " --audiences, audiences in Bicep, audience in Terraform"
	unreached = "Entra ID could not fetch {issuer} + .well-known/openid-configuration, or the keys that it names"
	publish   = "see that the issuer's documents can be had from the public internet, without sign-in or firewall: curl them from outside; " +
		"AKS: az aks update --enable-oidc-issuer"
	noCross  = "the identity and the authority {host} are of different clouds"
	oneCloud = "set AZURE_AUTHORITY_HOST (or Options.Cloud) to the authority of the cloud that the identity is in, as az cloud show has it; " +
		"federation across clouds is not possible"
	lost      = "the request reached Entra ID without the federated token, or with an empty one"
	keepBody  = "look at what changes the request on its way (a proxy, a policy of ClientOptions), and at {source}, which must not be empty"
	noSecrets = "Entra ID judged a client secret or a user's sign-in, which this request does not have: another credential of a chain answered, " +
		"or something on the way changed the request"
	fixChain  = "look at the credential chain, and at proxies and policies that change the request"
	asManaged = "give the app's federated credential the issuer https://login.microsoftonline.com/TENANT/v2.0 and, as its subject, " +
		"the object (principal) ID of a user-assigned managed identity of the same tenant"
)

// catalogue has every code of which a report or Microsoft's reference says that a federated exchange can meet it.
var catalogue = []Entry{
	// The federated credential does not match.
	{
		Code: 70021, Field: Credential, Passes: Propagation,
		Means: "no federated credential matches the token",
		Cause: "no federated credential of the identity has exactly this issuer {slash}, subject and audience",
		Fix:   "register the issuer {issuer}, compare the others (az identity (or az ad app) federated-credential list)" + newOne,
	},
	{
		Code: 700211, Field: Credential, Passes: Propagation,
		Means: "no federated credential has the token's issuer",
		Cause: "no federated credential of the identity has exactly this issuer {slash}",
		Fix:   "register the issuer {issuer} (" + update + " --issuer; issuer in Bicep, Terraform)" + newOne,
	},
	{
		Code: 700212, Field: Credential,
		Means: "the federated credential has another audience",
		Cause: otherAudience, Fix: mendAudience,
	},
	{
		Code: 7002121, Field: Credential,
		Means: "the federated credential has another audience",
		Cause: otherAudience, Fix: mendAudience,
	},
	{
		Code: 700213, Field: Subject, Passes: Propagation,
		Means: "no federated credential of the issuer has the token's subject",
		Cause: "no federated credential of the identity for this issuer has exactly the subject {subject}",
		Fix:   "register that subject (" + update + " --subject; subject in Bicep and Terraform), or run the workload as the one registered" + newOne,
	},
	{
		Code: 7002137, Field: Subject,
		Means: "no federated credential of the agent identity has the token's subject",
		Cause: "no federated credential of {client} has the subject {subject}, which Entra ID itself issued",
		Fix:   "register as subject the object ID of the identity that signs in for it, exactly as presented",
	},
	{
		Code: 7002138, Field: Subject,
		Means: "the subject matches but for its case",
		Cause: "the registered subject and {subject} differ in upper and lower case, which counts",
		Fix:   "write the subject in the federated credential exactly as presented: " + update + " --subject; subject in Bicep and Terraform",
	},
	{
		Code: 7002381, Field: Policy,
		Means: "the tenant's policy asks for another enterprise claim",
		Cause: "a policy of tenant {tenant} takes federated tokens of certain GitHub enterprises only, and this one is of another",
		Fix:   "have the tenant's administrator allow the enterprise, or run the workflow in one that is",
	},
	{
		Code: 70025, Field: Credential, Passes: Propagation,
		Means: "the identity has no federated credential at all",
		Cause: "the identity has no federated credential" + newOne,
		Fix:   "make one with issuer {issuer} and subject {subject}: az identity (or az ad app) federated-credential create; or set another client ID",
	},

	// The federated token.
	{
		Code: 70023, Field: Lifetime,
		Means: "the token lives too long, or does not say how long",
		Cause: "the federated token's lifetime is over 24 h, or it has no iat or exp",
		Fix:   "use a token of at most 86400 s (expirationSeconds of the projected volume)",
	},
	{
		Code: 700024, Field: Token, Passes: Reread,
		Means: "the token is not valid at this time",
		Cause: "the federated token was not valid when it arrived: it was replaced too late, or a clock is off",
		Fix:   "see what renews {source}, and compare the clocks of this machine and of the token's issuer with Entra ID's",
	},
	{
		Code: 50027, Field: Token, Passes: Reread,
		Means: "the assertion is no JWT that Entra ID can read",
		Cause: "the federated token is malformed: a claim has a wrong type, or something changed the token",
		Fix:   "look at what writes {source}: three parts in base64url, RS256, nothing around them",
	},
	{
		Code: 5002738, Field: SigningKey,
		Means: "the token's signature algorithm is not supported",
		Cause: "the token is signed with {alg}; Entra ID takes RS256 only, from an RSA key",
		Fix:   "give the issuer an RSA key (kube-apiserver: --service-account-signing-key-file)",
	},
	{
		Code: 700027, Field: SigningKey,
		Means: "the assertion's signature is not valid",
		Cause: "the token's signature does not fit the issuer's key: it was altered after signing, or the key set is of another cluster",
		Fix:   "compare the key set that {issuer} publishes with the cluster's: kubectl get --raw /openid/v1/jwks",
	},
	{
		Code: 7000272, Field: SigningKey, Passes: Propagation,
		Means: "the issuer does not publish the key that signed the token",
		Cause: "the key that signed the token is not in the issuer's key set, or Entra ID still has an old one (20 to 30 minutes)",
		Fix:   "compare kubectl get --raw /openid/v1/jwks with the key set that {issuer} publishes; after a rotation of keys, wait",
	},
	{
		Code: 7000274, Field: SigningKey,
		Means: "the token's signature is not that of the issuer's key",
		Cause: "the token was altered after signing, or the issuer publishes another key of the same name",
		Fix:   "see what handles {source} on its way; compare kubectl get --raw /openid/v1/jwks with what the issuer publishes",
	},
	{
		Code: 700222, Field: Issuer,
		Means: "the token was issued by Entra ID itself",
		Cause: "the federated token's issuer is Entra ID itself, which takes only managed identities' tokens for this",
		Fix:   asManaged,
	},
	{
		Code: 700226, Field: Token,
		Means: "of Entra ID's own tokens, only a managed identity's can be a federated credential",
		Cause: "the federated token is Entra ID's own, but not a managed identity's",
		Fix:   "get it from a user-assigned managed identity",
	},
	{
		Code: 700227, Field: Audience,
		Means: "the audience is not allowed for Entra ID's own tokens",
		Cause: "a managed identity's token for this has the audience {audience}, which is not allowed",
		Fix:   "ask the managed identity for api://AzureADTokenExchange (USGov, China at its end in those clouds)",
	},
	{
		Code: 700229, Field: Token,
		Means: "of Entra ID's own tokens, only an application's can be a federated credential",
		Cause: "the federated token is a user's, not an application's",
		Fix:   "get it from a user-assigned managed identity",
	},

	// The issuer, as Entra ID reaches it.
	{Code: 90061, Field: Issuer, Passes: Propagation, Means: "Entra ID could not reach the issuer", Cause: unreached, Fix: publish},
	{Code: 50166, Field: Issuer, Passes: Propagation, Means: "Entra ID could not reach or read the issuer", Cause: unreached, Fix: publish},
	{Code: 501661, Field: Issuer, Passes: Propagation, Means: "Entra ID could not reach or read the issuer", Cause: unreached, Fix: publish},

	// Tenant, identity, cloud.
	{
		Code: 700016, Field: ClientID,
		Means: "the tenant has no application with the client ID",
		Cause: "client ID {client} is not in tenant {tenant}: it is an object (principal) ID, another tenant's, deleted or too new",
		Fix: "compare with az identity show --query clientId (app registration: az ad app show --query appId); " +
			"AZURE_CLIENT_ID comes from the annotation azure.workload.identity/client-id",
	},
	{
		Code: 90002, Field: Tenant,
		Means: "there is no such tenant in this cloud",
		Cause: "the tenant {tenant} does not exist at {host}: the ID is wrong, or it is in another cloud",
		Fix:   "compare AZURE_TENANT_ID (or Options.TenantID) with az account show --query tenantId, and AZURE_AUTHORITY_HOST (or Options.Cloud) with az cloud show",
	},
	{
		Code: 900023, Field: Tenant,
		Means: "the tenant's name is malformed",
		Cause: "the tenant {tenant} is neither a GUID nor a domain name",
		Fix:   "set AZURE_TENANT_ID (or Options.TenantID) to what az account show --query tenantId prints",
	},
	{
		Code: 7000112, Field: Application,
		Means: "the application is disabled",
		Cause: "the application with client ID {client} is disabled in tenant {tenant}",
		Fix:   "enable it: portal, Enterprise applications, Properties, Enabled for users to sign in; or az ad sp update --set accountEnabled=true",
	},
	{
		Code: 70052, Field: Application,
		Means: "the identity is of a kind that cannot do this",
		Cause: "client ID {client} is a multi-tenant app, which takes no token of Entra ID's own",
		Fix:   "use a managed identity or a single-tenant app",
	},
	{Code: 900382, Field: Authority, Means: "identity and authority are of different clouds", Cause: noCross, Fix: oneCloud},
	{Code: 900432, Field: Authority, Means: "identity and authority are of different clouds", Cause: noCross, Fix: oneCloud},
	{
		Code: 50049, Field: Authority,
		Means: "the authority is unknown to Entra ID",
		Cause: "the authority {host} is none that Entra ID knows",
		Fix:   "set AZURE_AUTHORITY_HOST (or Options.Cloud) to the authority of your cloud, as az cloud show has it (endpoints.activeDirectory)",
	},
	{
		Code: 100007, Field: Region,
		Means: "the regional endpoint does not serve this kind of request",
		Cause: "AZURE_REGIONAL_AUTHORITY_NAME sends the request to a region, which takes few kinds of requests",
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
		Cause: "a Conditional Access policy for workload identities blocks client ID {client}, as by the address that it comes from",
		Fix:   "find the policy by the correlation ID in the portal: Entra ID, Sign-in logs, Service principal sign-ins",
	},
	{
		Code: 530032, Field: Policy,
		Means: "a security policy of the tenant blocked the token",
		Cause: "a security policy of tenant {tenant} blocks client ID {client}",
		Fix:   "find the policy by the correlation ID in the portal: Entra ID, Sign-in logs, Service principal sign-ins",
	},

	// Scope and resource.
	{
		Code: 500011, Field: Scope,
		Means: "the tenant does not know the resource",
		Cause: "tenant {tenant} knows no resource of the scope {scope}: it is misspelled, of another cloud, or not installed there",
		Fix:   "ask for the resource's application ID URI and /.default, as https://vault.azure.net/.default; your own: az ad app show --query identifierUris",
	},
	{
		Code: 1002012, Field: Scope,
		Means: "the scope does not end in /.default",
		Cause: "the scope {scope} is not a resource's application ID URI and /.default",
		Fix:   "ask for one like https://vault.azure.net/.default",
	},
	{
		Code: 70011, Field: Scope,
		Means: "the scope is not valid",
		Cause: "the scope {scope} is not a resource's application ID URI and /.default",
		Fix:   "ask for one like https://vault.azure.net/.default",
	},
	{
		Code: 700022, Field: Scope,
		Means: "the scopes are of several resources",
		Cause: "the scope {scope} names several resources, and a token is for one",
		Fix:   "call GetToken once for each resource",
	},

	// The request, which something on the way must have changed: the client sends it whole.
	{
		Code: 900144, Field: Request,
		Means: "the request lacks a field",
		Cause: "a field of the request did not reach Entra ID",
		Fix:   "look at what changes the request on its way: a proxy, a policy of ClientOptions",
	},
	{Code: 7000216, Field: Request, Passes: Reread, Means: "the request has no assertion", Cause: lost, Fix: keepBody},
	{Code: 7000218, Field: Request, Means: "the request has no assertion", Cause: lost, Fix: keepBody},
	{
		Code: 9002313, Field: Request,
		Means: "the request is malformed",
		Cause: "the request did not reach Entra ID as it was sent",
		Fix:   "look at what changes the request on its way: a proxy, a policy of ClientOptions; and at claims that the caller gave",
	},
	{Code: 7000215, Field: Request, Means: "a client secret is not valid", Cause: noSecrets, Fix: fixChain},
	{Code: 7000222, Field: Request, Means: "a client secret has expired", Cause: noSecrets, Fix: fixChain},
	{Code: 50173, Field: Request, Means: "a user's grant was revoked", Cause: noSecrets, Fix: fixChain},

	// Entra ID itself.
	{
		Code: 50196, Field: Request,
		Means: "the client asks for the same token too often",
		Cause: "the program makes the same request again and again: it makes a credential for each call, or restarts in a loop",
		Fix:   "make one Credential per identity and share it",
	},
	{Code: 50033, Field: Service, Passes: Overload, Means: "a transient error", Cause: overloaded, Fix: wait},
	{Code: 50087, Field: Service, Passes: Overload, Means: "a transient error", Cause: overloaded, Fix: wait},
	{Code: 90006, Field: Service, Passes: Overload, Means: "a service behind Entra ID is unavailable", Cause: overloaded, Fix: wait},
	{Code: 90012, Field: Service, Passes: Overload, Means: "the request timed out within Entra ID", Cause: overloaded, Fix: wait},
	{Code: 90024, Field: Service, Passes: Overload, Means: "a budget of requests was exceeded", Cause: overloaded, Fix: wait},
	{Code: 90033, Field: Service, Passes: Overload, Means: "a service behind Entra ID is unavailable", Cause: overloaded, Fix: wait},
	{
		Code: 90055, Field: Service, Passes: Overload,
		Means: "the tenant is throttled",
		Cause: "the tenant {tenant} sends Entra ID too many requests, from here or elsewhere",
		Fix:   "wait, it is tried again; make one Credential per identity and share it",
	},
	{Code: 90090, Field: Service, Passes: Overload, Means: "a request to Microsoft Graph failed", Cause: overloaded, Fix: wait},
}
