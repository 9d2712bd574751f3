// Package pod is what this module's tests run in: a pod as the workload identity webhook sets it up, an Entra ID that trusts its
// service account, and services that verify its tokens, all on loopback. A program needs none of it.
package pod

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

// Pod is the world around a program in a test. Close it.
type Pod struct {
	Entra entratest.Server
	CA    *entratest.CA

	cluster entratest.Cluster
	revoked sync.Map          // tokens that services take no more
	hosts   map[string]string // to the address that serves them
	closers []func()
}

// New panics where it cannot be made: examples have no *testing.T.
func New() *Pod {
	p := &Pod{hosts: map[string]string{}}
	var err error
	p.CA, err = entratest.NewCA()
	must(err)
	must(p.Entra.TrustCluster(&p.cluster, entratest.FederatedCredential{
		TenantID: tenantID, ClientID: clientID, Subject: "system:serviceaccount:shop:orders",
	}))
	dir, err := os.MkdirTemp("", "pod")
	must(err)
	p.closers = append(p.closers, func() { _ = os.RemoveAll(dir) })
	file, err := p.cluster.Project(dir, "azure-identity-token", entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
	must(err)
	p.set("AZURE_CLIENT_ID", clientID)
	p.set("AZURE_TENANT_ID", tenantID)
	p.set("AZURE_FEDERATED_TOKEN_FILE", file.Path())
	p.set("AZURE_AUTHORITY_HOST", "")
	p.set("AZURE_REGIONAL_AUTHORITY_NAME", "")
	return p
}

// set sets a variable until Close.
func (p *Pod) set(name, value string) {
	before, was := os.LookupEnv(name)
	must(os.Setenv(name, value))
	p.closers = append(p.closers, func() {
		if was {
			_ = os.Setenv(name, before)
		} else {
			_ = os.Unsetenv(name)
		}
	})
}

// Close stops the servers, removes the token and restores the environment.
func (p *Pod) Close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
}

// Credential is credential.New(nil), but for the way to Entra ID.
func (p *Pod) Credential() *credential.Credential {
	var options credential.Options
	options.Transport = &p.Entra
	cred, err := credential.New(&options)
	must(err)
	return cred
}

// Serve starts a service behind TLS that lets tokens for an audience through.
func (p *Pod) Serve(host, audience string, service http.HandlerFunc) {
	certificate, err := p.CA.Certificate(host)
	must(err)
	verifier := p.Verifier(audience)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := verifier.Header(r.Header.Get("Authorization")); err != nil {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="https://login.microsoftonline.com/%s", resource="%s"`, tenantID, audience))
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		service(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	p.closers = append(p.closers, server.Close)
	p.Lead(host, server.Listener.Addr().String())
}

// Lead makes a host known at an address.
func (p *Pod) Lead(host, address string) { p.hosts[host] = address }

// HTTP returns a client that reaches the services, and nothing else, by their names. Use it when all services are there.
func (p *Pod) HTTP() *http.Client {
	transport := &http.Transport{DialContext: p.Dial, TLSClientConfig: &tls.Config{RootCAs: p.CA.Pool()}}
	p.closers = append(p.closers, transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Dial connects to a service by its name.
func (p *Pod) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	to, known := p.hosts[host]
	if !known {
		return nil, fmt.Errorf("no service %q here", host)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, to)
}

// SDK returns an Azure SDK client's options, to reach the services.
func (p *Pod) SDK() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: p.HTTP(), Retry: policy.RetryOptions{MaxRetries: -1}}
}

// Exchanges counts the token requests so far.
func (p *Pod) Exchanges() int {
	n := 0
	for _, r := range p.Entra.Requests() {
		if r.Kind == entratest.KindToken {
			n++
		}
	}
	return n
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
