// Package spiffe signs a workload with a SPIFFE identity in to Microsoft Entra ID: it gets a JWT-SVID from the SPIFFE Workload
// API, for credential.Options.Assertion.
//
// # In SPIRE, or another implementation
//
// A JWT-SVID need not have an issuer, and Entra ID needs one whose keys it can fetch. So the SPIRE server wants jwt_issuer set
// to the https URL of the OIDC Discovery Provider, which must be reachable from Entra ID. Entra ID supports RS256 alone, and
// SPIRE's JWT keys are elliptic unless it is told otherwise: jwt_key_type = "rsa-2048".
//
// # In Entra ID
//
// The app registration or user-assigned managed identity needs a federated credential. Entra ID compares all three exactly:
//
//	issuer    the jwt_issuer
//	subject   the SPIFFE ID, such as spiffe://example.org/shop/orders
//	audience  api://AzureADTokenExchange
//
// # Sources
//
// The endpoint, its environment variable and the header that every request carries:
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

// Audience is what Entra ID wants in the token, and what the federated credential has.
const Audience = "api://AzureADTokenExchange"

// maxReply bounds a reply, which holds one SVID of about 1 KiB for each identity of the workload.
const maxReply = 1 << 20

// Options of [New]. The zero value is right where SPIFFE_ENDPOINT_SOCKET is set and the workload has one identity.
type Options struct {
	// Socket is the Workload API's address, such as unix:///run/spire/sockets/agent.sock. Default: SPIFFE_ENDPOINT_SOCKET.
	Socket string

	// Audience the token is for. Default: [Audience].
	Audience string

	// ID is the identity to ask for, if the workload has several. Default: the first that the Workload API returns.
	ID spiffeid.ID
}

// Source gets JWT-SVIDs. It is safe for concurrent use.
type Source struct {
	client *workloadapi.Client
	socket string
	params jwtsvid.Params
}

// New returns a source. The Workload API need not be there yet; the error is of an address that is missing or malformed.
func New(options *Options) (*Source, error) {
	if options == nil {
		options = &Options{}
	}
	socket := cmp.Or(options.Socket, os.Getenv(workloadapi.SocketEnv))
	if socket == "" {
		return nil, fmt.Errorf("spiffe: no Workload API: set %s, or Options.Socket", workloadapi.SocketEnv)
	}
	// A client, not a JWTSource: that keeps the keys to verify tokens with, which is Entra ID's business here.
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

// reconnect is gRPC's own, with its two minutes cut: they suit a server far away, not an agent that is restarted next door.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: time.Second, Multiplier: backoff.DefaultConfig.Multiplier, Jitter: backoff.DefaultConfig.Jitter, MaxDelay: 5 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// Assertion is for credential.Options.Assertion. It asks the Workload API anew at each call: the credential calls it once per
// exchange, and caches the access token. It does not retry; the credential backs off and asks again. Errors never hold a token,
// and [status.Code] tells the Workload API's refusals apart. The context bounds the call.
func (s *Source) Assertion(ctx context.Context) (string, error) {
	svid, err := s.client.FetchJWTSVID(ctx, s.params)
	if err != nil {
		return "", fmt.Errorf("spiffe: %w%s", err, s.hint(err))
	}
	return svid.Marshal(), nil
}

// hint says what the two refusals mean that whoever deploys can do something about, by the table of the endpoint's standard.
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
