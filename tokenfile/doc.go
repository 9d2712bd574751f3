// Package tokenfile reads a federated token, usually a Kubernetes projected service-account token,
// from the file that the kubelet keeps fresh.
//
//	source := tokenfile.New(os.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
//	assertion, err := source.Assertion(ctx)
//
// A [Source] reads the file on every call and keeps nothing in between. A read takes microseconds
// and is needed about once an hour, and a kept token could be out of date. At the shortest lifetime
// that Kubernetes grants, 10 minutes, a token may have less than two minutes left when the kubelet
// replaces it.
//
// [Parse] returns a token's claims, for messages and diagnosis.
//
// # When not to use it
//
// Applications that sign in to Entra ID use package credential, which reads the file for them.
// Never trust what Parse returns, because it verifies nothing. Entra ID verifies signature, issuer,
// subject, audience and lifetime, and this package refuses nothing that Entra ID could accept. A
// service that accepts tokens needs a verifier, such as go-oidc.
//
// # Errors
//
// Errors are one line. They hold nothing from the file, or from the string passed to Parse, except
// the time at which a token expired. [errors.Is] finds [ErrMalformed], [ErrExpired],
// [io/fs.ErrNotExist], [io/fs.ErrPermission] or the context's error, if that is the cause.
//
// # Limits
//
// The file must be a regular file of at most 1 MiB; a FIFO does not block. A token is refused as
// expired only more than 5 minutes after its expiry, because clocks differ. If the file is missing,
// empty or malformed, the kubelet may be about to replace it, so it is read up to 4 more times
// within 150 ms.
//
// # Concurrency
//
// Everything in this package is safe for concurrent use.
package tokenfile
