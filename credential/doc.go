// Package credential signs a workload in to Microsoft Entra ID with a federated token instead of a secret: as a rule, a
// Kubernetes pod with the service-account token that the Azure workload identity webhook projected into it.
//
//	cred, err := credential.New(nil)
//	if err != nil {
//		return err
//	}
//	client, err := azblob.NewClient("https://account.blob.core.windows.net", cred, nil)
//
// A [*Credential] is an [azcore.TokenCredential], for any Azure SDK client. Make one per identity and share it: all its
// clients then share one cache of access tokens.
//
// # When not to use it
//
// It signs in with a federated token and nothing else. For a developer's machine, a managed identity of a virtual machine
// or a client secret, see azidentity; [ErrNotConfigured] tells where to fall back to one. Tokens are kept in memory only, so a
// command that runs for a second signs in each time.
//
// # Configuration
//
// In a pod that the webhook set up there is none. An option wins over the environment, and an empty value is a missing one:
//
//	Options.ClientID                   AZURE_CLIENT_ID                 required
//	Options.TenantID                   AZURE_TENANT_ID                 required
//	Options.TokenFilePath              AZURE_FEDERATED_TOKEN_FILE      required, unless Options.Assertion is set
//	Cloud.ActiveDirectoryAuthorityHost AZURE_AUTHORITY_HOST            default: https://login.microsoftonline.com
//	                                   AZURE_REGIONAL_AUTHORITY_NAME   default: no region
//	Options.EnableAzureProxy           AZURE_KUBERNETES_TOKEN_PROXY,   default: off
//	                                   _SNI_NAME, _CA_FILE, _CA_DATA
//
// [New] reports all that is missing or malformed in one error. It sends nothing and reads no file but the CA of an identity
// binding's proxy; the token file is read anew at each exchange.
//
// # Waiting
//
// While a valid token is in memory GetToken returns it at once, whatever the token endpoint is doing: a token past its
// refresh time is renewed in the background. That time is what Entra ID says, else half of the token's life, and up to a quarter of it
// earlier at random, so that the pods of one rollout do not all come at once. In its last five seconds a token waits for its successor. Without a token,
// callers wait for the one exchange in flight, each no longer than its own context; the exchange belongs to none of them. What
// hangs is given up after 30 s; an exchange that is retried may take [Options.PropagationTimeout] and 15 s more where that is longer.
// [Credential.Prefetch] starts exchanges before anybody waits.
//
// There is a token for each tenant, each list of scopes as it was asked for, and for [policy.TokenRequestOptions.EnableCAE], which
// Azure SDK clients set.
//
// # Refusals by a resource
//
// A claims challenge is answered by the SDK client, through GetToken. A plain 401 is not, so that a token which was revoked, or
// issued before a role was granted, stays in use until it is due for refresh: give each client the policy
// [Credential.InvalidateOn401], or call [Credential.Invalidate].
//
// # Errors
//
// Errors name the setting that is wrong, or what was presented to Entra ID, what it said, the likely cause and its fix; they
// never hold a secret. They are one line for logs; %+v of an error of GetToken prints a block for people:
//
//	credential: no token
//	  asked for:    scope "https://vault.azure.net/.default", client ID "1111…", tenant "aaaa…"
//	  Entra said:   HTTP 401 Unauthorized, application/json: invalid_client: AADSTS700213: No matching federated identity record …
//	  in short:     no federated credential of the issuer has the token's subject
//	  presented:    issuer "https://eastus.oic.prod-aks.azure.com/…/", subject "system:serviceaccount:shop:orders", audience …
//	  likely cause: no federated credential of client ID "1111…" has the subject of service account "orders" in namespace "shop"
//	  fix:          register "system:serviceaccount:shop:orders" (az identity (or az ad app) federated-credential update --subject), …
//	  IDs:          correlation ID a3b612a5-…, trace ID 734510fd-…, time 2026-11-23T00:56:33Z
//
// For programs, errors.As and errors.Is find:
//
//	*exchange.Error           a reply of Entra ID's that refused, or that could not be used: branch on Code and StatusCode
//	ErrNotConfigured          of New: nothing of a workload identity is set
//	fs.ErrNotExist, fs.ErrPermission, tokenfile.ErrMalformed, tokenfile.ErrExpired
//	                          of the token file
//	context.DeadlineExceeded, context.Canceled
//	                          of the caller's context, or of the exchange's own time
//	what Options.Assertion, the transport or a policy returned
//
// A failure is remembered for its key and shared, so that a broken setup does not become a flood of requests: for 1 to 2 s after
// the first, doubling to 30 to 60 s, or as long as a Retry-After asks for, up to an hour. A success forgets it. azcore does not
// retry an error of GetToken, because what could be retried has been.
//
// # Watching it
//
// [Credential.Status] is for readiness probes and debugging pages; it sends nothing. [Options.OnExchange] is for metrics,
// [Options.Logger] for logs, and azcore's TracingProvider for traces. None of them is shown a secret.
//
// # Concurrency
//
// Everything here is safe for concurrent use.
//
// # Related packages
//
// Package [github.com/entrafed/entrafed/exchange/entratest] is an Entra ID and a cluster for tests: its Server is the Transport of
// the options, also inside a testing/synctest bubble. Package [github.com/entrafed/entrafed/credential/diagnose] tells which link
// from the environment to the access token is broken. Package exchange is the request without a cache.
package credential
