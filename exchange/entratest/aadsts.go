package entratest

import "net/http"

// wording is how Entra refuses with one AADSTS code. Placeholders in braces are filled from the request; {name} is
// the field that a refusal is about.
type wording struct {
	status int
	oauth  string // the member "error"
	text   string
}

// wordingOf knows every code. For one that it has no wording of, it makes a sentence that Entra would not use.
func wordingOf(code int) wording {
	if known, ok := wordings[code]; ok {
		return known
	}
	return badRequest("The request was refused. This fake has no wording for the code.")
}

func badRequest(text string) wording {
	return wording{http.StatusBadRequest, "invalid_request", text}
}

func badClient(text string) wording {
	return wording{http.StatusUnauthorized, "invalid_client", text}
}

func transient(text string) wording {
	return wording{http.StatusServiceUnavailable, "temporarily_unavailable", text}
}

const (
	wifPage     = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
	noRecord    = "No matching federated identity record found for presented assertion "
	pleaseCheck = " Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. " + wifPage
	retry       = "A transient error has occurred. Please try again."
	timedOut    = "The request timed out. Please try again."
)

// wordings come from public reports of real replies, as far as there are any; the others from the sentences of Microsoft's
// reference (https://learn.microsoft.com/entra/identity-platform/reference-error-codes). A status that was in no source
// is that of the code's siblings.
var wordings = map[int]wording{
	// The federated credential does not match.
	70021: badClient("No matching federated identity record found for presented assertion. Assertion Issuer: '{iss}'. Assertion Subject: '{sub}'. " +
		"Assertion Audience: '{aud}'. https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation"),
	700211:  badClient(noRecord + "issuer '{iss}'." + pleaseCheck),
	700212:  badClient(noRecord + "audience '{aud}'." + pleaseCheck),
	7002121: badClient(noRecord + "audience '{aud}'." + pleaseCheck),
	700213:  badClient(noRecord + "subject '{sub}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. " + wifPage),
	7002137: badClient(noRecord + "subject '{sub}'." + pleaseCheck),
	7002138: badClient(noRecord + "subject '{sub}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. " +
		"Check your federated identity credential Subject, Audience and Issuer against the presented assertion. " + wifPage),
	70025:   badClient("The client '{client_id}'({client_id}) has no configured federated identity credentials."),
	7002381: badClient("Federated identity credential issuer '{iss}' does not meet the enterprise claim requirements of the tenant."),

	// The assertion.
	50027:   badRequest("JWT token is invalid or malformed."),
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

	// The issuer, as Entra reaches it.
	90061:  badRequest("Request to External OIDC endpoint failed."),
	50166:  badRequest("Request to External OIDC endpoint failed."),
	501661: badRequest("Request to External OIDC endpoint failed."),

	// Tenant, application, resource.
	700016: {http.StatusBadRequest, "unauthorized_client", "Application with identifier '{client_id}' was not found in the directory '{tenant}'. " +
		"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. " +
		"You may have sent your authentication request to the wrong tenant."},
	90002: {http.StatusBadRequest, "invalid_tenant", "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. " +
		"Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."},
	900023: badRequest("Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."),
	500011: {http.StatusBadRequest, "invalid_resource", "The resource principal named {resource} was not found in the tenant named {tenant}. " +
		"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. " +
		"You might have sent your authentication request to the wrong tenant."},
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
	900561: {http.StatusMethodNotAllowed, "invalid_request", "The endpoint only accepts {name} requests. Received a {method} request."},
	70003:  {http.StatusBadRequest, "unsupported_grant_type", "The app requested an unsupported grant type '{name}'."},
	1002012: {http.StatusBadRequest, "invalid_scope", "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with " +
		"/.default suffixed to the resource identifier (application ID URI)."},
	70011: {http.StatusBadRequest, "invalid_scope", "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. " +
		"The scope {scope} is not valid."},
	700022:  {http.StatusBadRequest, "invalid_scope", "The provided value for the input parameter scope '{scope}' is not valid because it contains more than one resource."},
	7000215: badClient("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client_id}'."),
	7000216: badClient("'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."),
	7000218: badClient("The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
	7000222: badClient("The provided client secret keys for app '{client_id}' are expired."),
	9000411: badRequest("The request is not properly formatted. The parameter '{name}' is duplicated."),
	901002:  badRequest("The 'resource' request parameter is not supported."),
	9002313: badRequest("Invalid request. Request is malformed or invalid."),
	50049:   {http.StatusBadRequest, "invalid_instance", "Unknown or invalid instance."},
	50173:   {http.StatusBadRequest, "invalid_grant", "The provided grant has expired due to it being revoked, a fresh auth token is needed."},
	50196:   {http.StatusBadRequest, "invalid_grant", "The server terminated an operation because it encountered a client request loop. Please contact your app vendor."},

	// Entra's own troubles.
	50033: transient(retry),
	50087: transient(retry),
	90006: transient("The service is temporarily unavailable. Please try again."),
	90012: transient(timedOut),
	90024: transient("The request budget was exceeded. Please try again."),
	90033: transient("The service is temporarily unavailable. Please try again."),
	90055: transient("The tenant is throttled because it sends too many requests. Please try again."),
	90090: transient("A graph request failed. Please try again."),
}
