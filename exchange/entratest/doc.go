// Package entratest provides a fake Microsoft Entra ID and a fake Kubernetes cluster for tests of
// programs that sign in with federated tokens. It listens on no socket and needs no account.
//
//	pod, err := entratest.NewPod(t.TempDir(), nil)
//	if err != nil {
//		t.Fatal(err)
//	}
//	options := &credential.Options{
//		ClientID:      pod.ClientID,
//		TenantID:      pod.TenantID,
//		TokenFilePath: pod.TokenFile,
//	}
//	options.Transport = pod.Entra
//	cred, err := credential.New(options)
//
// A [Pod] is a workload that can sign in. It has a token file, the Cluster that issues the token,
// and a Server that trusts it. Script, rotate or break them to see what your program does.
// [Pod.Env] returns the settings as environment variables.
//
// [Server] is the fake Entra ID. Its Do method makes it an azcore transport, so it works as the
// Transport of any Azure SDK client or credential, including inside a testing/synctest bubble. It
// is also a [net/http.RoundTripper], and a [net/http.Handler] for net/http/httptest. The zero value
// serves every host, tenant and client and accepts any well-formed JWT, with a header that Entra
// accepts, until 5 minutes after its expiry. It still refuses faulty requests, in Entra's words. It
// serves the v2.0 token endpoint and the v1 endpoint, where older clients send a resource instead
// of a scope.
//
// [Cluster] is the fake Kubernetes cluster. It issues service-account tokens, serves the issuer's
// discovery documents, and projects tokens into a directory as the kubelet does. [TokenProxy] fakes
// the proxy of AKS identity bindings. [CA] issues certificates for tests over real TLS.
//
// # What to test
//
//	That the program signs in           NewPod, Pod.Env
//	What the program sends              Server.Requests, Server.ForgetRequests
//	A sequence of replies               Server.Enqueue with Refuse, Throttle, Unavailable
//	                                    or your own Reply
//	An outage, a slow endpoint          Server.SetReply, Server.SetDelay, Server.ResetReplies,
//	                                    Reply.Hang
//	A wrong federated credential:       Server.Revoke with Pod.Trusted, Server.Trust,
//	issuer, subject or audience         Server.TrustCluster, Server.AddApplication,
//	                                    TokenRequest.Audiences, Cluster.Issuer
//	A new federated credential          Server.PropagationDelay
//	Code that registers credentials     Microsoft Graph's federatedIdentityCredentials, see Server
//	Application, tenant, cloud, policy  Server.SetDisabled, Server.SetCloud, Server.SetPolicy,
//	                                    Server.RefuseRegions
//	Scopes and v2.0 tokens              Server.AllowResource, Server.IssueV2
//	An API that acts for its users      Server.IssueUserToken, Policy.UnconsentedClients,
//	                                    Policy.MFAResources
//	Agents and their blueprint          Server.AddAgent
//	What a resource receives            Server.VerifyToken
//	Clocks                              Server.ClockSkew, Server.Lifetime, TokenRequest.Lifetime
//	Entra's signing keys                Server.RotateKey, Server.DropOldKeys
//	The cluster's issuer and keys       Cluster.SetUnavailable, Cluster.RotateKey,
//	                                    Cluster.DropOldKeys, Server.KeyCache
//	Token file rotation                 Projection.Rotate, Cluster.Project
//	An identity binding                 TokenProxy, CA
//
// # When not to use it
//
// It is for tests only: unless it is strict, it gives a token to anyone, and its keys are weak. Its
// state ends with the process. Replies follow recordings of the real services and their public
// documentation where these exist. Where Entra's behavior is not public, such as the order of its
// checks, the package makes its own choice. It shares no code with the clients it tests, because a
// mistake in both would go unnoticed. It supports only grants with a client assertion: client
// credentials, on behalf of a user, and user_fic for an agent's user account.
//
// # Inside a synctest bubble
//
// Time is the bubble's: a token expires once the bubble has slept for its lifetime. A bubble has no
// network, so use Do, and register the cluster with NewPod or [Server.TrustCluster].
//
//	func TestOutage(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			pod, err := entratest.NewPod(t.TempDir(), nil)
//			require.NoError(t, err)
//			cred := newCredential(t, pod)
//			_, err = cred.GetToken(t.Context(), vault)
//			require.NoError(t, err)
//			pod.Entra.SetReply(new(entratest.Unavailable(0)))
//			time.Sleep(59 * time.Minute)
//			_, err = cred.GetToken(t.Context(), vault)
//			require.NoError(t, err, "the token in memory is still valid")
//			time.Sleep(time.Minute) // until the refresh in the background has given up
//		})
//	}
//
// A bubble cannot end before its goroutines do. A refresh in the background ends after at most 30
// seconds. For a request that hangs or is delayed, cancel its context and wait for its sender. RSA
// keys are generated on first use. That takes about 0.1 s of real time, more under the race
// detector, and none of the bubble's time.
//
// In FIPS mode (GODEBUG=fips140=on or only), crypto/rand collects entropy when it is first used and
// when goroutines use it at the same time, and panics if that happens in a bubble. This package
// uses it once when the program starts. With go test -cpu 1 -parallel 1, the goroutines of a test
// do not use it at the same time.
//
// # Errors
//
// Do returns an error where a transport would: the context's, or the Err of a scripted [Reply]. A
// refusal is not an error but a reply with Entra's status and body. A method that registers
// something reports everything wrong with it in one error. No error contains a token.
//
// # Defaults
//
// Access tokens live for 3599 s and come without refresh_in. Cluster tokens live for an hour, with
// the issuer [DefaultIssuer] and the audience "api://AzureADTokenExchange". The server fetches an
// issuer's keys for each assertion.
//
// # Concurrency
//
// [Server], [Cluster], [Projection], [TokenProxy] and [CA] are safe for concurrent use. Do not copy
// a Server or a Cluster after first use. Each field documents when it may be set. Requests and
// replies are plain data.
package entratest
