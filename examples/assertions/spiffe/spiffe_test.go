package spiffe_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/entrafed/entrafed/examples/assertions/internal/contract"
	"github.com/entrafed/entrafed/examples/assertions/spiffe"
	"github.com/entrafed/entrafed/tokenfile"
)

func startAgent(t *testing.T) *fakeAgent {
	t.Helper()
	f, err := newFakeAgent(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(f.server.Stop)
	return f
}

func newSource(t *testing.T, options *spiffe.Options) *spiffe.Source {
	t.Helper()
	source, err := spiffe.New(options)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, source.Close()) })
	return source
}

func TestTokenForEntra(t *testing.T) {
	f := startAgent(t)
	t.Setenv("SPIFFE_ENDPOINT_SOCKET", f.socket)

	raw, err := newSource(t, nil).Assertion(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, issuerURL, token.Issuer)
	assert.Equal(t, orders, token.Subject, "the first identity is the default")
	assert.Equal(t, []string{"api://AzureADTokenExchange"}, []string(token.Audience))
}

func TestOtherIdentityAndAudience(t *testing.T) {
	f := startAgent(t)
	source := newSource(t, &spiffe.Options{Socket: f.socket, Audience: "other", ID: spiffeid.RequireFromString(payments)})

	raw, err := source.Assertion(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, payments, token.Subject)
	assert.Equal(t, []string{"other"}, []string(token.Audience))
}

func TestAddress(t *testing.T) {
	t.Setenv("SPIFFE_ENDPOINT_SOCKET", "")

	_, err := spiffe.New(nil)
	require.EqualError(t, err, "spiffe: no Workload API: set SPIFFE_ENDPOINT_SOCKET or Options.Socket")

	_, err = spiffe.New(&spiffe.Options{Socket: "/run/agent.sock"})
	require.ErrorContains(t, err, "spiffe: ", "a path is not a URI")
}

func TestNoRegistration(t *testing.T) {
	f := startAgent(t)
	f.entries = nil

	_, err := newSource(t, &spiffe.Options{Socket: f.socket}).Assertion(t.Context())

	require.ErrorContains(t, err, "is there a registration entry whose selectors match it?")
	assert.Equal(t, codes.PermissionDenied, status.Code(err))
}

func TestNoAgent(t *testing.T) {
	socket := "unix://" + filepath.Join(t.TempDir(), "none.sock")

	_, err := newSource(t, &spiffe.Options{Socket: socket}).Assertion(t.Context())

	require.ErrorContains(t, err, "is an agent serving "+socket)
	assert.Equal(t, codes.Unavailable, status.Code(err))
}

func TestUnusableReplies(t *testing.T) {
	const secret = "svid-that-is-secret"
	reply := func(token string) func() (*workload.JWTSVIDResponse, error) {
		return func() (*workload.JWTSVIDResponse, error) {
			return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: orders, Svid: token}}}, nil
		}
	}
	for says, answer := range map[string]func() (*workload.JWTSVIDResponse, error){
		"there were no SVIDs":           func() (*workload.JWTSVIDResponse, error) { return &workload.JWTSVIDResponse{}, nil },
		"unable to parse JWT":           reply(secret),
		"received message larger":       reply(strings.Repeat(secret, 100_000)),
		"starting; is an agent serving": func() (*workload.JWTSVIDResponse, error) { return nil, status.Error(codes.Unavailable, "starting") },
	} {
		t.Run(says, func(t *testing.T) {
			f := startAgent(t)
			f.reply = answer

			_, err := newSource(t, &spiffe.Options{Socket: f.socket}).Assertion(t.Context())

			require.ErrorContains(t, err, "spiffe: ")
			require.ErrorContains(t, err, says)
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

func TestContextEndsTheCall(t *testing.T) {
	f := startAgent(t)
	err := contract.Canceled(t, newSource(t, &spiffe.Options{Socket: f.socket}).Assertion)
	assert.Equal(t, codes.Canceled, status.Code(err))
}

func TestConcurrentUse(t *testing.T) {
	f := startAgent(t)
	f.entries = []string{orders}
	contract.IsConcurrent(t, newSource(t, &spiffe.Options{Socket: f.socket}).Assertion, f.Issued)
}

func TestSignIn(t *testing.T) {
	f := startAgent(t)
	f.entries = []string{orders}
	contract.SignsIn(t, newSource(t, &spiffe.Options{Socket: f.socket}).Assertion, f.Issued)
}

func TestFailedSignInNamesTheSource(t *testing.T) {
	f := startAgent(t)
	f.entries = nil

	err := contract.Failure(t, newSource(t, &spiffe.Options{Socket: f.socket}).Assertion)

	require.ErrorContains(t, err, "Options.Assertion: spiffe: ")
	require.ErrorContains(t, err, "registration entry")
	assert.Equal(t, codes.PermissionDenied, status.Code(err), "errors wrap the cause")
}

// The other tests are only meaningful if the fake refuses wrong requests.
func TestFakeRefuses(t *testing.T) {
	f := startAgent(t)
	conn, err := grpc.NewClient(f.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	client := workload.NewSpiffeWorkloadAPIClient(conn)
	right := metadata.Pairs("workload.spiffe.io", "true")
	for name, wrong := range map[string]struct {
		header   metadata.MD
		id       string
		audience []string
		code     codes.Code
	}{
		"nothing":        {right, "", []string{"a"}, codes.OK},
		"no header":      {nil, "", []string{"a"}, codes.InvalidArgument},
		"header's case":  {metadata.Pairs("workload.spiffe.io", "True"), "", []string{"a"}, codes.InvalidArgument},
		"no audience":    {right, "", nil, codes.InvalidArgument},
		"two audiences":  {right, "", []string{"a", "b"}, codes.InvalidArgument},
		"other identity": {right, "spiffe://example.org/other", []string{"a"}, codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.FetchJWTSVID(metadata.NewOutgoingContext(t.Context(), wrong.header), &workload.JWTSVIDRequest{SpiffeId: wrong.id, Audience: wrong.audience})

			assert.Equal(t, wrong.code, status.Code(err))
		})
	}
	t.Run("other call", func(t *testing.T) {
		_, err := client.ValidateJWTSVID(metadata.NewOutgoingContext(t.Context(), right), &workload.ValidateJWTSVIDRequest{})

		assert.Equal(t, codes.Unimplemented, status.Code(err))
	})
}
