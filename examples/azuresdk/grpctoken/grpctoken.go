// Package grpctoken adds access tokens to gRPC calls. Copy the file.
//
//	connection, err := grpc.NewClient("orders.example:443",
//		grpc.WithTransportCredentials(credentials.NewTLS(nil)),
//		grpc.WithPerRPCCredentials(grpctoken.New(cred, "api://orders.example/.default")))
//
// # Sources
//
// https://grpc.io/docs/guides/auth/ and
// https://pkg.go.dev/google.golang.org/grpc/credentials#PerRPCCredentials
package grpctoken

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// New returns credentials that add a token for scope to each call. They are safe for concurrent
// use.
//
// Each call asks the credential, which caches tokens. If there is no token, the call fails with the
// code Unavailable and the credential's error text. gRPC's default, Unauthenticated, would look
// like the server's answer. Unavailable does not mean that a retry will help: the text says what to
// fix. The credential limits how often it asks Entra ID.
//
// A token that the server refuses stays in use until the credential refreshes it. To replace it at
// once, call Credential.Invalidate.
func New(cred azcore.TokenCredential, scope string) credentials.PerRPCCredentials {
	return perRPC{cred, scope}
}

type perRPC struct {
	cred  azcore.TokenCredential
	scope string
}

// GetRequestMetadata returns the authorization header for one call.
func (p perRPC) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := p.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{p.scope}})
	if err != nil {
		if ctx.Err() != nil {
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return map[string]string{"authorization": "Bearer " + token.Token}, nil
}

// RequireTransportSecurity makes gRPC refuse connections without TLS.
func (perRPC) RequireTransportSecurity() bool { return true }
