package spiffe_test

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"sync"

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

// fakeAgent is a Workload API with the JWT-SVID profile's one call, as the standards have it; other calls are Unimplemented.
type fakeAgent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	server *grpc.Server
	socket string

	mu       sync.Mutex
	entries  []string // the caller's SPIFFE IDs, the default first
	issued   []string // tokens, in order
	override func() (*workload.JWTSVIDResponse, error)
}

// newFakeAgent serves a workload that has both identities, on a socket in the directory.
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
	f.mu.Lock()
	defer f.mu.Unlock()
	header, _ := metadata.FromIncomingContext(ctx)
	switch {
	case !slices.Equal(header.Get("workload.spiffe.io"), []string{"true"}):
		return nil, status.Error(codes.InvalidArgument, "security header missing from request")
	case len(r.GetAudience()) != 1 || r.GetAudience()[0] == "":
		return nil, status.Error(codes.InvalidArgument, "audience must be specified")
	case len(f.entries) == 0 || r.GetSpiffeId() != "" && !slices.Contains(f.entries, r.GetSpiffeId()):
		return nil, status.Error(codes.PermissionDenied, "no identity issued")
	case f.override != nil:
		return f.override()
	}
	response := &workload.JWTSVIDResponse{}
	for _, id := range f.entries {
		if r.GetSpiffeId() != "" && r.GetSpiffeId() != id {
			continue
		}
		token, err := issuer.Token(issuerURL, id, r.GetAudience()[0])
		if err != nil {
			return nil, status.Error(codes.Internal, "signing")
		}
		f.issued = append(f.issued, token)
		response.Svids = append(response.Svids, &workload.JWTSVID{SpiffeId: id, Svid: token})
	}
	return response, nil
}

// tokens returns what was issued so far.
func (f *fakeAgent) tokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.issued)
}

// register replaces the caller's identities.
func (f *fakeAgent) register(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = ids
}

// answer replaces the reply to a right request.
func (f *fakeAgent) answer(reply func() (*workload.JWTSVIDResponse, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.override = reply
}
