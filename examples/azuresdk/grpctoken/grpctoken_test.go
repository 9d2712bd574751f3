package grpctoken_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/entrafed/entrafed/examples/azuresdk/grpctoken"
	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	host  = "orders.example"
	scope = "api://orders.example/.default"
)

// serve starts a gRPC server over TLS that verifies each call's token, and returns its address.
func serve(p *pod.Pod) (address string, stop func()) {
	certificate, err := p.CA.Certificate(host)
	if err != nil {
		panic(err)
	}
	verifier := p.Verifier("api://orders.example")
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&certificate)), grpc.UnaryInterceptor(
		func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			headers := metadata.ValueFromIncomingContext(ctx, "authorization")
			if len(headers) != 1 {
				return nil, status.Error(codes.Unauthenticated, "want exactly one token")
			}
			if err := verifier.Header(headers[0]); err != nil {
				return nil, status.Error(codes.Unauthenticated, err.Error())
			}
			return next(ctx, request)
		}))
	healthpb.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), server.Stop
}

func dial(p *pod.Pod, address, scope string) *grpc.ClientConn {
	connection, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: p.CA.Pool(), ServerName: host})),
		grpc.WithPerRPCCredentials(grpctoken.New(p.Credential(), scope)))
	if err != nil {
		panic(err)
	}
	return connection
}

func check(ctx context.Context, connection *grpc.ClientConn) (*healthpb.HealthCheckResponse, error) {
	return healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{})
}

func ExampleNew() {
	p := pod.New() // replaces Azure
	defer p.Close()
	address, stop := serve(p)
	defer stop()

	connection, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: p.CA.Pool(), ServerName: host})),
		grpc.WithPerRPCCredentials(grpctoken.New(p.Credential(), "api://orders.example/.default")))
	if err != nil {
		panic(err)
	}
	defer func() { _ = connection.Close() }()
	answer, err := healthpb.NewHealthClient(connection).Check(context.Background(), &healthpb.HealthCheckRequest{})
	fmt.Println(answer.GetStatus(), err)
	// Output:
	// SERVING <nil>
}

func TestManyCallsShareOneExchange(t *testing.T) {
	p := pod.New()
	t.Cleanup(p.Close)
	address, stop := serve(p)
	t.Cleanup(stop)
	connection := dial(p, address, scope)
	t.Cleanup(func() { _ = connection.Close() })

	for range 3 {
		_, err := check(t.Context(), connection)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, p.Exchanges())
}

func TestFailures(t *testing.T) {
	p := pod.New()
	t.Cleanup(p.Close)
	address, stop := serve(p)
	t.Cleanup(stop)

	t.Run("wrong audience", func(t *testing.T) {
		connection := dial(p, address, "api://another.example/.default")
		t.Cleanup(func() { _ = connection.Close() })
		_, err := check(t.Context(), connection)
		assert.Equal(t, codes.Unauthenticated, status.Code(err))
	})
	t.Run("no token", func(t *testing.T) {
		p.Entra.SetReply(new(entratest.Refuse(700016)))
		defer p.Entra.SetReply(nil)
		connection := dial(p, address, scope)
		t.Cleanup(func() { _ = connection.Close() })
		_, err := check(t.Context(), connection)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.ErrorContains(t, err, "AADSTS700016")
	})
	t.Run("canceled call", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := grpctoken.New(p.Credential(), scope).GetRequestMetadata(ctx)
		assert.Equal(t, codes.Canceled, status.Code(err))
	})
	t.Run("plain text", func(t *testing.T) {
		_, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(grpctoken.New(p.Credential(), scope)))
		assert.ErrorContains(t, err, "transport level security")
	})
}
