// Package credential signs a workload in to Microsoft Entra ID with a federated token instead of a
// secret: usually a Kubernetes pod, with the service-account token that the Azure workload identity
// webhook projected into it.
//
//	cred, err := credential.New(nil)
//	if err != nil {
//		return err
//	}
//	client, err := azblob.NewClient("https://account.blob.core.windows.net", cred, nil)
//
// A [*Credential] is an [azcore.TokenCredential], for any Azure SDK client. Make one per identity
// and share it: all its clients then share one cache of access tokens. A program that acts for many
// identities makes a [Pool] instead.
//
// # When not to use it
//
// It signs in with a federated token and nothing else. For a developer's machine, a managed
// identity of a virtual machine or a client secret, use azidentity; [ErrNotConfigured] says when to
// fall back to it. Tokens stay in memory, so a command that runs for a second signs in each time.
//
// # Configuration
//
// A pod that the webhook set up needs none. An option takes precedence over the environment, and an
// empty value counts as missing:
//
//	Options.ClientID                    AZURE_CLIENT_ID                 required
//	Options.TenantID                    AZURE_TENANT_ID                 required
//	Options.TokenFilePath               AZURE_FEDERATED_TOKEN_FILE      required without Assertion
//	Cloud.ActiveDirectoryAuthorityHost  AZURE_AUTHORITY_HOST            default: the public cloud
//	                                    AZURE_REGIONAL_AUTHORITY_NAME   default: no region
//	Options.EnableAzureProxy            AZURE_KUBERNETES_TOKEN_PROXY,   default: off
//	                                    _SNI_NAME, _CA_FILE, _CA_DATA
//
// [New] reports everything that is missing or malformed in one error. It sends nothing and reads no
// file except the CA of an identity binding's proxy; the token file is read at each exchange.
//
// # Waiting
//
// While a valid token is in memory GetToken returns it at once, whatever the token endpoint is
// doing: a token past its refresh time is renewed in the background. (In its last five seconds, and
// after a resource has refused it, callers wait for the next one.) Without one, callers wait for
// the next token of their key, each no longer than its own context allows; the exchange belongs to
// none of them. Package cache describes the states of a token, and when an exchange is given up.
//
// Tokens are cached by tenant, by the list of scopes as requested, and by
// [policy.TokenRequestOptions.EnableCAE], which Azure SDK clients set. [Credential.Prefetch] starts
// exchanges before anybody waits.
//
// # Many identities
//
// A [Pool] makes credentials for the identities that a controller acts for. It asks for an
// identity's federated token whenever it needs one, keeps the tokens of different identities apart,
// and shares everything between equal ones, so that a controller may make a credential per
// reconcile.
//
// # Agents, users and other tenants
//
// A federated token supports more than one grant. Each of these methods returns a full credential
// that shares the client, the cache and the memory of failures:
//
//	cred.Agent(clientID)         an agent identity of the blueprint that cred signs in as
//	cred.OnBehalfOf(userToken)   a user of this application or, for an agent, of its blueprint
//	agent.AsUser(username)       an agent's own user account
//	Options.Assertion: cred.Assertion
//	                             another application that trusts cred's identity
//
// Tokens for token exchange between the steps are cached and shared. An error names the step that
// failed.
//
// # Refusals by a resource
//
// The SDK client answers a claims challenge, through GetToken. A plain 401 is not answered, so a
// token that was revoked, or issued before a role was granted, stays in use until it is due for
// refresh. To replace it earlier, give each client the policy [Credential.InvalidateOn401], or call
// [Credential.Invalidate].
//
// # Errors
//
// Every error of GetToken is an [*Error]. It holds the request, the likely cause and its fix, Entra
// ID's reply, and the claims presented to it, but never a secret. Error returns one line for logs,
// %+v prints a block for people:
//
//	credential: no token
//	  asked for:    scope "https://vault.azure.net/.default", client ID "1111…", tenant "aaaa…"
//	  Entra said:   HTTP 401 Unauthorized, application/json: invalid_client: AADSTS700213: …
//	  in short:     no federated credential of the issuer has the token's subject
//	  presented:    issuer "https://eastus.oic.prod-aks.azure.com/…/", subject "system:…
//	  likely cause: no federated credential of client ID "1111…" has the subject …
//	  fix:          …
//	  IDs:          correlation ID a3b612a5-…, trace ID 734510fd-…, time 2026-11-23T00:56:33Z
//
// [Error.Summary] is the same for every attempt while the cause is the same, for status conditions.
// For programs, errors.As and errors.Is find:
//
//	*exchange.Error           a refusal or an unusable reply: branch on Code and StatusCode
//	ErrNotConfigured          from New: no part of a workload identity is configured
//	fs.ErrNotExist, fs.ErrPermission, tokenfile.ErrMalformed, tokenfile.ErrExpired
//	                          from the token file
//	context.DeadlineExceeded, context.Canceled
//	                          from the caller's context, or the exchange's own timeout
//	errors of Options.Assertion, the transport or a policy
//
// A failure is remembered for its key and shared, so that a broken setup does not become a flood of
// requests. [cache.Backoff] decides for how long, unless Entra ID asked for a pause. A success
// clears it. azcore does not retry an error of GetToken, because everything worth retrying has been
// retried.
//
// # Observability
//
// [Credential.Status] is for readiness probes and debugging pages; it sends nothing.
// [Options.OnExchange] is for metrics, [Options.Logger] for logs, and azcore's TracingProvider for
// traces. None of them sees a secret. None can delay or lose anything but its own event, except
// that starting a span is part of the exchange.
//
// # Concurrency
//
// Everything here is safe for concurrent use.
//
// # Related packages
//
// Package [github.com/entrafed/entrafed/exchange/entratest] is an Entra ID and a cluster for tests:
// its Server is the Transport of the options, also inside a testing/synctest bubble. Package
// [github.com/entrafed/entrafed/credential/diagnose] says which link from the environment to the
// access token is broken. Package exchange is the request without a cache.
package credential
