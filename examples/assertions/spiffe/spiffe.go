// Package spiffe signs a workload with a SPIFFE identity in to Microsoft Entra ID. It gets a
// JWT-SVID from the SPIFFE Workload API, for credential.Options.Assertion.
//
// # In SPIRE, or another implementation
//
// Entra ID needs an issuer whose keys it can fetch, but a JWT-SVID need not have one. Set the SPIRE
// server's jwt_issuer to the https URL of the OIDC Discovery Provider, which must be reachable from
// Entra ID. Entra ID supports only RS256, and SPIRE's JWT keys are elliptic by default. Set
// jwt_key_type = "rsa-2048".
//
// # In Entra ID
//
// The app registration or user-assigned managed identity needs a federated credential. Entra ID
// compares all three values exactly:
//
//	issuer    the jwt_issuer
//	subject   the SPIFFE ID, such as spiffe://example.org/shop/orders
//	audience  api://AzureADTokenExchange
//
// # Sources
//
// The endpoint, its environment variable and the header that every request has:
// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_Endpoint.md. The request:
// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md. SPIRE:
// https://github.com/spiffe/spire/blob/main/conf/server/server_full.conf. RS256:
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations.
package spiffe

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Audience is the audience that Entra ID and the federated credential expect.
const Audience = "api://AzureADTokenExchange"

// maxReply bounds a reply, in bytes. It has an SVID of about 1 KiB for each of the workload's
// identities.
const maxReply = 1 << 20

// Options configures [New]. The zero value is ready to use if SPIFFE_ENDPOINT_SOCKET is set and the
// workload has one identity.
type Options struct {
	// Socket is the Workload API's address, such as unix:///run/spire/sockets/agent.sock. Default:
	// SPIFFE_ENDPOINT_SOCKET.
	Socket string

	// Audience is the token's audience. Default: [Audience].
	Audience string

	// ID selects an identity if the workload has several. Default: the first that the Workload API
	// returns.
	ID spiffeid.ID
}

// Source gets JWT-SVIDs. It is safe for concurrent use.
type Source struct {
	client *workloadapi.Client
	socket string
	params jwtsvid.Params
}

// New returns a source. The Workload API need not be running yet. New fails only if its address is
// missing or malformed.
func New(options *Options) (*Source, error) {
	if options == nil {
		options = &Options{}
	}
	socket := cmp.Or(options.Socket, os.Getenv(workloadapi.SocketEnv))
	if socket == "" {
		return nil, fmt.Errorf("spiffe: no Workload API: set %s or Options.Socket", workloadapi.SocketEnv)
	}
	// A JWTSource would also keep the keys that verify tokens. Only Entra ID needs those here.
	client, err := workloadapi.New(context.Background(), workloadapi.WithAddr(socket), workloadapi.WithDialOptions(
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply)),
		grpc.WithConnectParams(reconnect),
	))
	if err != nil {
		return nil, fmt.Errorf("spiffe: %w", err)
	}
	return &Source{
		client: client,
		socket: socket,
		params: jwtsvid.Params{Audience: cmp.Or(options.Audience, Audience), Subject: options.ID},
	}, nil
}

// reconnect is gRPC's default with a shorter maximum. Two minutes suit a distant server, not an
// agent that restarts on the same machine.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: time.Second, Multiplier: backoff.DefaultConfig.Multiplier, Jitter: backoff.DefaultConfig.Jitter, MaxDelay: 5 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// Assertion is a credential.Options.Assertion. It calls the Workload API at each call. The
// credential calls it once per exchange and caches the access token. It does not retry; the
// credential backs off and calls again. Errors never contain a token. Use [status.Code] to
// distinguish the Workload API's refusals. The context bounds the call.
func (s *Source) Assertion(ctx context.Context) (string, error) {
	svid, err := s.client.FetchJWTSVID(ctx, s.params)
	if err != nil {
		return "", fmt.Errorf("spiffe: %w%s", err, s.hint(err))
	}
	return svid.Marshal(), nil
}

// hint explains the two failures that a deployment can fix, based on the table in the endpoint's
// standard.
func (s *Source) hint(err error) string {
	switch status.Code(err) {
	case codes.PermissionDenied:
		return "; the Workload API has no such identity for this process: is there a registration entry whose selectors match it?"
	case codes.Unavailable:
		return "; is an agent serving " + s.socket + ", and is that socket mounted here?"
	default:
		return ""
	}
}

// Close closes the connection to the Workload API. Assertion fails from then on.
func (s *Source) Close() error { return s.client.Close() }
