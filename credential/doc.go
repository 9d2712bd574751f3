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
// or a client secret, see azidentity; a chain of both is possible through [ErrNotConfigured].
//
// # Waiting
//
// While a valid token is in memory GetToken returns it at once, whatever the token endpoint is doing: a token past its
// refresh time is renewed in the background. In its last five seconds a token waits for its successor. Without a token,
// callers wait for the one exchange in flight, each no longer than its own context.
//
// # Errors
//
// Errors name the setting that is wrong, or what was presented to Entra ID, what it said, the likely cause and its fix; they
// never hold a secret. They are one line; %+v of an error of GetToken prints the same as a block of lines.
// [errors.As] finds an [*exchange.Error] when Entra ID refused, and [errors.Is] the causes below. A failure is remembered
// for a moment and shared, so that a broken setup does not become a flood of requests.
//
// # Concurrency
//
// Everything here is safe for concurrent use.
package credential
