// Package tokenfile reads a federated token, as a rule a Kubernetes projected
// service-account token, from the file that the kubelet keeps fresh.
//
// A [Source] reads the file anew at each call and holds nothing in between: a
// read takes microseconds, is needed about once an hour, and a kept token is
// one that can be out of date. At the shortest lifetime that Kubernetes
// grants, 10 minutes, the file's token may have less than two minutes left
// when the kubelet replaces it.
//
// [Parse] says what a token claims, for messages and diagnosis. It verifies
// nothing: Microsoft Entra ID is the judge of signature, issuer, subject,
// audience and lifetime, and what it could accept is not refused here.
//
// No error of this package holds any content of the file, or of the string
// given to Parse, apart from the time at which a token expired.
package tokenfile
