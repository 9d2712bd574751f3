package entratest

import "net/http"

// wording is Entra's refusal for one AADSTS code. Placeholders in braces are filled in from the
// request; {name} is the field that the refusal is about.
type wording struct {
	status int
	oauth  string // the member "error"
	text   string

	suberror, claims string // the members of these names; empty if Entra does not send them
}

// wordingOf returns the wording for a code. For an unknown code, it returns a sentence that Entra
// would not use.
func wordingOf(code int) wording {
	if known, ok := wordings[code]; ok {
		return known
	}
	return badRequest("The request was refused. This fake has no wording for the code.")
}

func badRequest(text string) wording {
	return wording{status: http.StatusBadRequest, oauth: "invalid_request", text: text}
}

func badClient(text string) wording {
	return wording{status: http.StatusUnauthorized, oauth: "invalid_client", text: text}
}

func transient(text string) wording {
	return wording{status: http.StatusServiceUnavailable, oauth: "temporarily_unavailable", text: text}
}

func badGrant(text string) wording {
	return wording{status: http.StatusBadRequest, oauth: "invalid_grant", text: text}
}

// interaction returns a refusal that only the user can resolve. The user's client must present the
// claims (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow).
func interaction(text string) wording {
	return wording{
		status: http.StatusBadRequest, oauth: "interaction_required", text: text, suberror: "basic_action",
		claims: `{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}`,
	}
}

const (
	wifPage     = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
	noRecord    = "No matching federated identity record found for presented assertion "
	pleaseCheck = " Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. " + wifPage
	retry       = "A transient error has occurred. Please try again."
	timedOut    = "The request timed out. Please try again."
)

// wordings come from public reports of real replies where there are any. Otherwise they paraphrase
// Microsoft's reference
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes). A code whose status
// is in neither has the status of similar codes.
var wordings = map[int]wording{
	// The federated credential does not match.
	70021: badClient("No matching federated identity record found for presented assertion. Assertion Issuer: '{iss}'. Assertion Subject: '{sub}'. " +
		"Assertion Audience: '{aud}'. https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation"),
	700211:  badClient(noRecord + "issuer '{iss}'." + pleaseCheck),
	700212:  badClient(noRecord + "audience '{aud}'." + pleaseCheck),
	7002121: badClient(noRecord + "audience '{aud}'." + pleaseCheck),
	700213:  badClient(noRecord + "subject '{sub}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. " + wifPage),
	7002137: badClient(noRecord + "subject '{sub}'. Please make sure the federated identity credential Subject is '{expected_sub}'."),
	7002138: badClient(noRecord + "subject '{sub}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. " +
		"Check your federated identity credential Subject, Audience and Issuer against the presented assertion. " + wifPage),
	7002111: badClient(noRecord + "issuer '{iss}'." + pleaseCheck),
	7002131: badClient(noRecord + "subject '{sub}' or no federated identity credential expression matched." + pleaseCheck),
	70025:   badClient("The client '{client_id}'({client_id}) has no configured federated identity credentials."),
	7002381: badClient("Federated identity credential issuer '{iss}' does not meet the enterprise claim requirements of the tenant."),

	// The assertion.
	50027:   badRequest("JWT token is invalid or malformed."),
	5002726: badRequest("Invalid JWT token. Found unsupported token header. Supported headers are: 'typ', 'alg', 'kid', 'x5t', 'x5c'."),
	5002727: badRequest("Invalid JWT header type specified. Allowed types: 'JWT','http://openid.net/specs/jwt/1.0'."),
	5002730: badRequest("Invalid JWT token. Unsupported key for the signing algorithm."),
	5002738: badRequest("Invalid JWT token. '{alg}' is not a supported signature algorithm. Supported signing algorithms are: 'RS256'"),
	70023:   badRequest("External OIDC Provider token must have a lifetime of less than or equal to 1.01:00:00. Token issued at {iat}. Token expires on {exp}"),
	700024: badClient("Client assertion is not within its valid time range. Current time: {now}, assertion valid from {nbf}, expiry time of assertion {exp}. " +
		"Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."),
	700027: badClient("Client assertion failed signature validation."),
	7000272: badClient("The certificate with identifier '{kid}' used to sign the federated credential could not be found in the metadata of identity provider '{iss}'. " +
		"Please validate that your Identity Provider's metadata exposes the key used to sign the incoming token."),
	7000274: badClient("The signature of the federated credential could not be verified with the key '{kid}' of identity provider '{iss}'."),
	700222:  badRequest("AAD-issued tokens may not be used for federated identity flows."),
	700226:  badRequest("Only MSI tokens may be used as Federated Identity Credentials for AAD issuer."),
	700227:  badRequest("The audience '{aud}' may not be used in a Federated Identity Credential for AAD issuer."),
	700229:  badRequest("Forbidden token type. Only app-only tokens may be used as Federated Identity Credentials for AAD issuer."),
	700231:  badRequest("Token obtained using a federated identity credential may not be used as a federated identity credential."),

	// The user.
	50013: badGrant("Assertion failed signature validation. [Reason - Key was not found.]"),
	500131: badGrant("Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was '{aud}' and the expected " +
		"audience is '{name}' or one of the Application Uris of this application."),
	500133: badGrant("Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, " +
		"or request a new token. Current time: {now}, expiry time of assertion {exp}."),
	50034:   badGrant("The user account {name} does not exist in the {tenant} directory. To sign into this application, the account must be added to the directory."),
	7000114: {status: http.StatusBadRequest, oauth: "unauthorized_client", text: "Application '{client_id}' is not allowed to make application on-behalf-of calls."},
	65001: {status: http.StatusBadRequest, oauth: "invalid_grant", suberror: "consent_required", text: "The user or administrator has not consented to use the application " +
		"with ID '{client_id}' named '{client_id}'. Send an interactive authorization request for this user and resource."},
	50076: interaction("Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication " +
		"to access '{resource}'."),
	50079: interaction("Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor " +
		"authentication to access '{resource}'."),

	// Fetching the issuer's documents.
	90061:  badRequest("Request to External OIDC endpoint failed."),
	50166:  badRequest("Request to External OIDC endpoint failed."),
	501661: badRequest("Request to External OIDC endpoint failed."),

	// Tenant, application, resource.
	700016: {status: http.StatusBadRequest, oauth: "unauthorized_client", text: "Application with identifier '{client_id}' was not found in the directory '{tenant}'. " +
		"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. " +
		"You may have sent your authentication request to the wrong tenant."},
	90002: {status: http.StatusBadRequest, oauth: "invalid_tenant", text: "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. " +
		"Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."},
	900023: badRequest("Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."),
	500011: {status: http.StatusBadRequest, oauth: "invalid_resource", text: "The resource principal named {resource} was not found in the tenant named {tenant}. " +
		"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. " +
		"You might have sent your authentication request to the wrong tenant."},
	7000229: badClient("The client application {client_id} is missing service principal in the tenant {tenant}."),
	7000112: badClient("Application '{client_id}'({client_id}) is disabled."),
	900382:  badRequest("Confidential Client is not supported in Cross Cloud request."),
	900432:  badRequest("Confidential Client is not supported in Cross Cloud request."),

	// Policy.
	700223: badRequest("Workload identity federation is constrained or disabled in the tenant '{tenant}'."),
	700238: badRequest("The tenant '{tenant}' does not allow federated identity credentials of issuer '{iss}'."),
	70052:  badRequest("The identity must be a managed identity, single tenant app, or service account."),
	53003:  badRequest("Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."),
	530032: badRequest("Access has been blocked by a security policy of the tenant."),
	100007: badRequest("This request was received by an Azure AD regional authentication endpoint. Only managed identities and Microsoft internal service identities " +
		"are supported. SN+I authentication is required. All others, send your request to login.microsoftonline.com: in MSAL avoid using .WithAzureRegion(), " +
		"in App Service, set REGION_NAME to null."),

	// The request.
	900144: badRequest("The request body must contain the following parameter: '{name}'"),
	900561: {status: http.StatusMethodNotAllowed, oauth: "invalid_request", text: "The endpoint only accepts {name} requests. Received a {method} request."},
	70003:  {status: http.StatusBadRequest, oauth: "unsupported_grant_type", text: "The app requested an unsupported grant type '{name}'."},
	1002012: {status: http.StatusBadRequest, oauth: "invalid_scope", text: "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with " +
		"/.default suffixed to the resource identifier (application ID URI)."},
	70011: {status: http.StatusBadRequest, oauth: "invalid_scope", text: "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. " +
		"The scope {scope} is not valid."},
	700022:  {status: http.StatusBadRequest, oauth: "invalid_scope", text: "The provided value for the input parameter scope '{scope}' is not valid because it contains more than one resource."},
	7000215: badClient("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client_id}'."),
	7000216: badClient("'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."),
	7000218: badClient("The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
	7000222: badClient("The provided client secret keys for app '{client_id}' are expired."),
	9000411: badRequest("The request is not properly formatted. The parameter '{name}' is duplicated."),
	901002:  badRequest("The 'resource' request parameter is not supported."),
	9002313: badRequest("Invalid request. Request is malformed or invalid."),
	50049:   {status: http.StatusBadRequest, oauth: "invalid_instance", text: "Unknown or invalid instance."},
	50173:   {status: http.StatusBadRequest, oauth: "invalid_grant", text: "The provided grant has expired due to it being revoked, a fresh auth token is needed."},
	50196:   {status: http.StatusBadRequest, oauth: "invalid_grant", text: "The server terminated an operation because it encountered a client request loop. Please contact your app vendor."},

	// Entra's own failures.
	50033: transient(retry),
	50087: transient(retry),
	90006: transient("The service is temporarily unavailable. Please try again."),
	90012: transient(timedOut),
	90024: transient("The request budget was exceeded. Please try again."),
	90033: transient("The service is temporarily unavailable. Please try again."),
	90055: transient("The tenant is throttled because it sends too many requests. Please try again."),
	90090: transient("A graph request failed. Please try again."),
}
