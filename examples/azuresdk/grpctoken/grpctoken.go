// Package grpctoken puts access tokens into gRPC calls. Copy the file.
//
//	connection, err := grpc.NewClient("orders.example:443",
//		grpc.WithTransportCredentials(credentials.NewTLS(nil)),
//		grpc.WithPerRPCCredentials(grpctoken.New(cred, "api://orders.example/.default")))
//
// # Sources
//
// https://grpc.io/docs/guides/auth/ and https://pkg.go.dev/google.golang.org/grpc/credentials#PerRPCCredentials
package grpctoken

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// New returns credentials whose calls carry a token for a scope. They are safe for concurrent use.
//
// Each call asks the credential, which has the cache. A call that finds no token fails with the code Unavailable and the
// credential's text: Unauthenticated, gRPC's own choice, would look like the server's answer.
func New(cred azcore.TokenCredential, scope string) credentials.PerRPCCredentials {
	return perRPC{cred, scope}
}

type perRPC struct {
	cred  azcore.TokenCredential
	scope string
}

// GetRequestMetadata returns the header of one call.
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

// RequireTransportSecurity makes gRPC refuse a connection in plain text.
func (perRPC) RequireTransportSecurity() bool { return true }
