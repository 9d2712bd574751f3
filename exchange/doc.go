// Package exchange sends the one request that turns a federated token into an access token for Microsoft Entra ID, and
// reads the reply: OAuth 2.0 client credentials with a JWT assertion (RFC 6749 section 4.4, RFC 7523 section 2.2) as
// described at https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, "third case".
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
// It neither caches nor reads files nor the environment; package credential does all that, and is what applications use. Use this
// package when you have an assertion in hand and want one access token for it. It does not do secrets, certificates or users.
//
// # What it takes care of
//
// The request goes through azcore's pipeline, so that policies, retries, telemetry, logging and tracing are configured as
// for any Azure SDK client. The assertion goes to one place only: no instance discovery, no redirect followed whatever the
// transport, https without exception. A reply is read up to 1 MiB, counted after decompression. A token's lifetime counts from before
// the request was sent, and a lifetime that is missing, zero or absurd is an error, or is clamped: no token looks valid for ever.
//
// # Errors
//
// A reply that refuses or that cannot be used is an [*Error], with the fields that Entra ID sent: branch on Code and StatusCode.
// Anything else (no connection, a time-out, a bad argument) is an ordinary error from which [errors.Is] and [errors.As] reach the
// cause. Errors are one line. None holds the assertion or the access token, or a piece of either, even if the reply does.
// [NewClient] returns [OptionErrors], which tell by the option's name everything that is wrong.
//
// # Defaults
//
// The public cloud's authority, no region, azcore's retries (three, on 408, 429 and 500 to 504) except that a Retry-After over 5 s ends
// the exchange at once, and a new correlation ID for each exchange. There is no time-out for
// a reply but azcore's Retry.TryTimeout, which is off: ctx should have one.
//
// # Concurrency
//
// A [*Client] is safe for concurrent use. It holds no secret between exchanges.
//
// # Related packages
//
// Package [github.com/entrafed/entrafed/exchange/entratest] is an Entra ID for tests: its Server is the Transport of the options.
// Package tokenfile reads the assertion from a pod's file.
package exchange
