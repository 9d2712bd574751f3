package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
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

// project writes a federated token that outlasts any situation.
func project(tb testing.TB) *entratest.Projection {
	file, err := new(entratest.Cluster).Project(tb.TempDir(), "token", entratest.TokenRequest{Lifetime: 48 * time.Hour})
	require.NoError(tb, err)
	return file
}

// at is the place that transport leads to.
func at(tb testing.TB, transport policy.Transporter) place {
	return place{transport: transport, file: project(tb).Path()}
}

// tokenRequests counts the requests for a token, so not discovery.
func tokenRequests(s *entratest.Server) (n int) {
	for _, r := range s.Requests() {
		if r.Kind == entratest.KindToken {
			n++
		}
	}
	return n
}

// quick issues tokens without signing them and without a record of the requests, so that a credential can be filled with
// many and its memory measured. Discovery is the fake Entra ID's.
type quick struct {
	discovery entratest.Server
	issued    atomic.Int64
	delay     time.Duration // of a token
}

// tokenSize is that of a usual access token of an application.
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

// overTLS serves handlers by host name, over TLS and loopback, and returns a client for which those names, and no others,
// lead there. So the candidates keep their defaults, and think that they talk to the real hosts.
func overTLS(tb testing.TB, hosts map[string]http.Handler) *http.Client {
	addresses, roots := map[string]string{}, x509.NewCertPool()
	for host, handler := range hosts {
		s := httptest.NewTLSServer(handler)
		tb.Cleanup(s.Close)
		addresses[host+":443"] = s.Listener.Addr().String()
		roots.AddCert(s.Certificate())
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}, // the name in httptest's certificate
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			local, ok := addresses[address]
			if !ok {
				return nil, fmt.Errorf("nothing is served at %s", address)
			}
			return new(net.Dialer).DialContext(ctx, network, local)
		},
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// entraHost is where both libraries send their requests by default.
const entraHost = "login.microsoftonline.com"

// instead answers token requests with handler, and lets Entra ID answer the others.
func instead(entra, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
			handler.ServeHTTP(w, r)
			return
		}
		entra.ServeHTTP(w, r)
	})
}
