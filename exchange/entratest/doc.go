// Package entratest is a fake Microsoft Entra ID and a fake Kubernetes cluster, for the tests of programs that sign in
// with federated tokens. It listens on no socket of its own and needs no account.
//
// [Server] stands for Entra ID. Its Do method is an azcore transport, so that it fits into the ClientOptions of any Azure
// SDK client or credential and works inside a testing/synctest bubble; it is an [net/http.Handler] too, for
// net/http/httptest. The zero value knows every host, tenant and client and takes every well-formed JWT, but refuses
// what Entra refuses about the request itself, in Entra's words. Enqueue, SetReply and SetDelay make it fail or slow. With
// Trust or TrustCluster it judges assertions as Entra does, down to the issuer's keys and the signature; SetPolicy, SetCloud and
// ClockSkew make it one whose administrators, cloud or clock stand in the way.
//
// [Cluster] stands for Kubernetes: it issues service-account tokens, serves the issuer's discovery documents, and
// projects tokens into a directory as the kubelet does. [TokenProxy] is the proxy of AKS identity bindings, and [CA] makes
// certificates where real TLS is wanted.
//
// What is sent and said here follows recorded replies of the real services and their public documents. The package
// shares no code with the clients it tests: a mistake in both would cancel out.
//
// # Inside a synctest bubble
//
// Time is the bubble's: tokens expire when it has slept for their lifetime. There is no network, so use Do and
// [Server.TrustCluster]. A request that hangs or is delayed blocks a goroutine of the bubble, which cannot end before: end the
// request's context and wait for what sent it. The package makes its RSA keys when they are first used, which takes about
// 0.1 s of real time, more under the race detector, and none of the bubble's.
package entratest
