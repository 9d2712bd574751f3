// Package exchange sends the one request that turns a federated token into an access token for
// Microsoft Entra ID, and reads the reply. The request is OAuth 2.0 client credentials with a JWT
// assertion (RFC 6749 section 4.4, RFC 7523 section 2.2), the "third case" of
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow. [Request]
// also supports the related grants for agents and on behalf of users.
//
//	client, err := exchange.NewClient(nil)
//	if err != nil {
//		return err
//	}
//	token, err := client.Exchange(ctx, exchange.Request{
//		TenantID:  "contoso.com",
//		ClientID:  "11111111-2222-3333-4444-555555555555",
//		Scopes:    []string{"https://vault.azure.net/.default"},
//		Assertion: assertion,
//	})
//
// # When not to use it
//
// Applications use package credential, which also caches tokens and reads the token file and the
// environment. Use this package if you have an assertion and want one access token for it. It does
// not support client secrets, certificates or interactive sign-in.
//
// # What it takes care of
//
// The request goes through azcore's pipeline, so policies, retries, telemetry, logging and tracing
// are configured as for any Azure SDK client. The assertion goes to one place only: there is no
// instance discovery, no transport can follow a redirect with it, and the URL must be https. At
// most 1 MiB of a reply is read, counted after decompression. A token's lifetime counts from just
// before the request was sent. A lifetime that is missing, zero or negative is an error, and an
// absurdly long one is cut: no token looks valid forever.
//
// # Errors
//
// A reply that refuses the request or that cannot be used is an [*Error] with the fields that Entra
// ID sent. Branch on its Code and StatusCode. Anything else, such as a failed connection, a timeout
// or a bad argument, is an ordinary error; [errors.Is] and [errors.As] find its cause. Every error
// is one line. None holds any part of the assertion or the access token, even if the reply does.
// [NewClient] reports all bad options at once, by name.
//
// An untrusted certificate ends the exchange at once, and so does an HTTP proxy that refuses to
// connect. The error names the proxy. With your own transport, only a refusal with a standard
// status text is recognized; one with the proxy's own words is retried.
//
// # Defaults
//
//   - Authority: the public cloud's, without a region.
//   - Retries: azcore's, at most three, after connection errors and the statuses 408, 429, 500,
//     502, 503 and 504. A Retry-After of more than 5 s ends the exchange at once.
//   - Timeouts: [DefaultTryTimeout] for each try. A try that times out closes idle connections,
//     because they may be dead. Only ctx bounds all tries together, so give it a deadline.
//   - Correlation ID: a new one for each exchange.
//
// # Concurrency
//
// A [*Client] is safe for concurrent use. It holds no secret between exchanges.
//
// # Related packages
//
// Package [github.com/entrafed/entrafed/exchange/entratest] is a fake Entra ID for tests: use its
// Server as the Transport. Package tokenfile reads the assertion from a pod's token file.
package exchange
