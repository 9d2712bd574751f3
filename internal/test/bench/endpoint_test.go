package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// project writes a federated token that outlasts every situation.
func project(tb testing.TB) *entratest.Projection {
	pod, err := entratest.NewPod(tb.TempDir(), &entratest.PodOptions{Token: entratest.TokenRequest{Lifetime: 48 * time.Hour}})
	require.NoError(tb, err)
	return pod.Projection
}

// at returns the place that transport reaches.
func at(tb testing.TB, transport policy.Transporter) place {
	return place{transport: transport, file: project(tb).Path()}
}

// tokenRequests counts the requests for tokens, excluding discovery.
func tokenRequests(s *entratest.Server) (n int) {
	for _, r := range s.Requests() {
		if r.Kind == entratest.KindToken {
			n++
		}
	}
	return n
}

// quick issues unsigned tokens and keeps no record of the requests, so that a test can fill a
// credential with many tokens and measure its memory. The fake Entra ID serves discovery.
type quick struct {
	discovery entratest.Server
	issued    atomic.Int64
	delay     time.Duration // before a token reply
}

// tokenSize is the usual size of an application's access token.
const tokenSize = 1500

func (q *quick) Do(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
		return q.discovery.Do(r)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	time.Sleep(q.delay)
	number := fmt.Sprintf("%016d", q.issued.Add(1))
	body, err := json.Marshal(map[string]any{
		"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": number + strings.Repeat("x", tokenSize-len(number)),
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// ServeHTTP implements [http.Handler].
func (q *quick) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply, err := q.Do(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = reply.Body.Close() }()
	maps.Copy(w.Header(), reply.Header)
	w.WriteHeader(reply.StatusCode)
	_, _ = io.Copy(w, reply.Body)
}

// overTLS serves handlers by host name, over TLS on loopback, and returns a client that reaches
// only those names. The candidates can keep their defaults, as if they talked to the real hosts.
func overTLS(tb testing.TB, hosts map[string]http.Handler) *http.Client {
	addresses, roots := map[string]string{}, x509.NewCertPool()
	for host, handler := range hosts {
		s := httptest.NewUnstartedServer(handler)
		s.EnableHTTP2 = true
		s.StartTLS()
		tb.Cleanup(s.Close)
		addresses[host+":443"] = s.Listener.Addr().String()
		roots.AddCert(s.Certificate())
	}
	transport := &http.Transport{
		ForceAttemptHTTP2: true,                                                   // like azcore's own client
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com"}, // the name in httptest's certificate
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			local, ok := addresses[address]
			if !ok {
				return nil, fmt.Errorf("no server at %s", address)
			}
			return new(net.Dialer).DialContext(ctx, network, local)
		},
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// entraHost is the host to which both libraries send their requests by default.
const entraHost = "login.microsoftonline.com"

// instead answers token requests with handler and leaves the others to Entra ID.
func instead(entra, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
			handler.ServeHTTP(w, r)
			return
		}
		entra.ServeHTTP(w, r)
	})
}
