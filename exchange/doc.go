// Package exchange sends the one request that turns a federated token into an access token for Microsoft Entra ID, and
// reads the reply: OAuth 2.0 client credentials with a JWT assertion (RFC 6749 section 4.4, RFC 7523 section 2.2) as
// described at https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, "third case".
//
// It neither caches nor reads files; package credential does both, and is what applications use. Use this package when
// you have an assertion in hand and want one access token for it.
//
// # What it takes care of
//
// The request goes through azcore's pipeline, so that policies, retries, telemetry, logging and tracing are configured as
// for any Azure SDK client. The assertion goes to one place only: no instance discovery, no redirect followed whatever the
// transport, https without exception. A reply is read up to 1 MiB, counted after decompression.
//
// # Errors
//
// A reply that refuses or that cannot be used is an [*Error]. Anything else (no connection, a time-out, a bad argument)
// is an ordinary error from which [errors.Is] and [errors.As] reach the cause. No error holds the assertion or the access
// token, or a piece of either, even if the reply does.
package exchange
