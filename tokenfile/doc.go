// Package tokenfile reads a federated token, as a rule a Kubernetes projected
// service-account token, from the file that the kubelet keeps fresh.
//
//	source := tokenfile.New(os.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
//	assertion, err := source.Assertion(ctx)
//
// A [Source] reads the file anew at each call and holds nothing in between: a
// read takes microseconds, is needed about once an hour, and a kept token is
// one that can be out of date. At the shortest lifetime that Kubernetes
// grants, 10 minutes, the file's token may have less than two minutes left
// when the kubelet replaces it.
//
// [Parse] says what a token claims, for messages and diagnosis.
//
// # When not to use it
//
// Applications that sign in to Entra ID use package credential, which reads the
// file for them. Never trust what Parse returns: it verifies nothing. Microsoft
// Entra ID is the judge of signature, issuer, subject, audience and lifetime,
// and what it could accept is not refused here. A service that accepts tokens
// needs a verifier, such as go-oidc.
//
// # Errors
//
// They are one line, and hold no content of the file, or of the string given to
// Parse, apart from the time at which a token expired. [errors.Is] finds
// [ErrMalformed], [ErrExpired], [io/fs.ErrNotExist], [io/fs.ErrPermission] and
// the context's error where that is the cause.
//
// # Limits
//
// A file is a regular one, of at most 1 MiB; a FIFO does not hang. A token is
// refused as expired only when it has been for over 5 minutes, because clocks
// differ. What the kubelet may be about to replace is read up to 4 times more,
// within 150 ms.
//
// # Concurrency
//
// Everything here is safe for concurrent use.
package tokenfile
