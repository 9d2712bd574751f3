package spiffe_test

import (
	"context"
	"net"
	"path/filepath"
	"slices"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/entrafed/entrafed/examples/assertions/internal/issuer"
)

const (
	issuerURL = "https://oidc.example.org"
	orders    = "spiffe://example.org/shop/orders"
	payments  = "spiffe://example.org/shop/payments"
)

// fakeAgent is a Workload API with the one JWT-SVID call that the package uses, as the standards
// define it. Other calls return Unimplemented.
type fakeAgent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	issuer.Issuer
	server *grpc.Server
	socket string

	// Set before the first call.
	entries []string                                  // the caller's SPIFFE IDs, the default first
	reply   func() (*workload.JWTSVIDResponse, error) // replaces the reply to a valid request, if not nil
}

// newFakeAgent serves a workload that has both identities, on a socket in dir.
func newFakeAgent(dir string) (*fakeAgent, error) {
	path := filepath.Join(dir, "agent.sock")
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	f := &fakeAgent{server: grpc.NewServer(), socket: "unix://" + path, entries: []string{orders, payments}}
	workload.RegisterSpiffeWorkloadAPIServer(f.server, f)
	go func() { _ = f.server.Serve(listener) }() // until Stop
	return f, nil
}

func (f *fakeAgent) FetchJWTSVID(ctx context.Context, r *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	header, _ := metadata.FromIncomingContext(ctx)
	switch {
	case !slices.Equal(header.Get("workload.spiffe.io"), []string{"true"}):
		return nil, status.Error(codes.InvalidArgument, "security header missing from request")
	case len(r.GetAudience()) != 1 || r.GetAudience()[0] == "":
		return nil, status.Error(codes.InvalidArgument, "audience must be specified")
	case len(f.entries) == 0 || r.GetSpiffeId() != "" && !slices.Contains(f.entries, r.GetSpiffeId()):
		return nil, status.Error(codes.PermissionDenied, "no identity issued")
	case f.reply != nil:
		return f.reply()
	}
	response := &workload.JWTSVIDResponse{}
	for _, id := range f.entries {
		if r.GetSpiffeId() != "" && r.GetSpiffeId() != id {
			continue
		}
		token, err := f.Token(issuerURL, id, r.GetAudience()[0])
		if err != nil {
			return nil, status.Error(codes.Internal, "signing")
		}
		response.Svids = append(response.Svids, &workload.JWTSVID{SpiffeId: id, Svid: token})
	}
	return response, nil
}
