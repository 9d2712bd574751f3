// Package entratest is a fake Microsoft Entra ID and a fake Kubernetes cluster, for the tests of programs that sign in
// with federated tokens. It listens on no socket of its own and needs no account.
//
//	var entra entratest.Server
//	var cluster entratest.Cluster
//	options := credential.Options{ClientID: "11111111-2222-3333-4444-555555555555", TenantID: "contoso.com"}
//	options.Transport = &entra
//	options.Assertion = func(context.Context) (string, error) {
//		return cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
//	}
//	cred, err := credential.New(&options)
//
// [Server] stands for Entra ID. Its Do method is an azcore transport, so that it fits into the ClientOptions of any Azure
// SDK client or credential and works inside a testing/synctest bubble; it is an [net/http.Handler] too, for
// net/http/httptest. The zero value knows every host, tenant and client and takes every well-formed JWT, but refuses
// what Entra refuses about the request itself, in Entra's words. It answers the token endpoint of version 2.0 and that of version 1,
// which older clients ask with a resource instead of a scope.
//
// [Cluster] stands for Kubernetes: it issues service-account tokens, serves the issuer's discovery documents, and
// projects tokens into a directory as the kubelet does. [TokenProxy] is the proxy of AKS identity bindings, and [CA] makes
// certificates where real TLS is wanted.
//
// # What to test
//
//	What the program sends               Server.Requests, Server.ForgetRequests
//	A refusal, one reply after another   Server.Enqueue with Refuse, Throttle, Unavailable or a Reply of your own
//	An outage, a slow endpoint           Server.SetReply, Server.SetDelay, Reply.Hang
//	A federated credential that is not   Server.TrustCluster or Server.Trust, Server.Revoke, Server.AddApplication;
//	right: issuer, subject, audience     TokenRequest.Audiences, Cluster.Issuer, Server.PropagationDelay
//	Application, tenant, cloud, policy   Server.SetDisabled, Server.SetCloud, Server.SetPolicy, Server.RefuseRegions
//	Scopes, and tokens of version 2.0    Server.AllowResource, Server.IssueV2
//	Clocks                               Server.ClockSkew, Server.Lifetime, TokenRequest.Lifetime
//	The cluster's issuer and its keys    Cluster.SetUnavailable, Cluster.RotateKey, Cluster.DropOldKeys, Server.KeyCache
//	A token file that is replaced        Cluster.Project, Projection.Rotate
//	An identity binding                  TokenProxy, CA
//
// # When not to use it
//
// It is for tests: whoever can send it a request gets what it has, and nothing outlives the process. What it says follows recorded
// replies of the real services and their public documents, as far as there are any; where Entra's behaviour is not public, as the
// order of its checks, it has one of its own. It shares no code with the clients it tests: a mistake in both would cancel out. It does
// no other grant than client credentials with an assertion.
//
// # Inside a synctest bubble
//
// Time is the bubble's: tokens expire when it has slept for their lifetime. There is no network, so use Do and
// [Server.TrustCluster].
//
//	func TestOutage(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			var entra entratest.Server
//			cred := newCredential(t, &entra)
//			_, err := cred.GetToken(t.Context(), vault)
//			require.NoError(t, err)
//			entra.SetReply(new(entratest.Unavailable(0)))
//			time.Sleep(59 * time.Minute)
//			_, err = cred.GetToken(t.Context(), vault)
//			require.NoError(t, err, "the token in memory is still valid")
//		})
//	}
//
// A request that hangs or is delayed blocks a goroutine of the bubble, which cannot end before: end the
// request's context and wait for what sent it. The package makes its RSA keys when they are first used, which takes about
// 0.1 s of real time, more under the race detector, and none of the bubble's.
//
// # Errors
//
// Do returns an error where a transport would: the context's, or that of a scripted [Reply]. A refusal is a reply, with status and
// body as Entra has them. What cannot be registered is an error that names everything that is wrong with it. No error holds a token.
//
// # Defaults
//
// Access tokens live for 3599 s, without refresh_in. The tokens of a cluster live for an hour, are of [DefaultIssuer] and for the
// audience "api://AzureADTokenExchange". Keys of issuers are asked for at each request.
//
// # Concurrency
//
// [Server], [Cluster], [Projection], [TokenProxy] and [CA] are safe for concurrent use, and the first two must not be copied after
// first use. Their fields say until when they may be set. Requests and replies are plain data.
package entratest
