// Package pod provides what this module's tests need, all on loopback: a pod as the workload
// identity webhook sets it up, an Entra ID that trusts the pod's service account, and services that
// verify tokens. Programs need none of it.
package pod

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// Pod is the environment of the program under test. Close it after use.
type Pod struct {
	*entratest.Pod
	CA *entratest.CA

	revoked sync.Map          // tokens that services no longer accept
	hosts   map[string]string // address by host
	closers []func()
}

// New panics on errors, because examples have no *testing.T.
func New() *Pod {
	dir, err := os.MkdirTemp("", "pod")
	must(err)
	p := &Pod{hosts: map[string]string{}, closers: []func(){func() { _ = os.RemoveAll(dir) }}}
	p.Pod, err = entratest.NewPod(dir, nil)
	must(err)
	p.CA, err = entratest.NewCA()
	must(err)
	for _, variable := range append(p.Env(), "AZURE_REGIONAL_AUTHORITY_NAME=") {
		name, value, _ := strings.Cut(variable, "=")
		p.set(name, value)
	}
	return p
}

// set sets an environment variable until Close.
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

// Credential returns credential.New(nil), except that it reaches the fake Entra ID.
func (p *Pod) Credential() *credential.Credential {
	var options credential.Options
	options.Transport = p.Entra
	cred, err := credential.New(&options)
	must(err)
	return cred
}

// Serve starts a service over TLS that requires a token for audience.
func (p *Pod) Serve(host, audience string, service http.HandlerFunc) {
	certificate, err := p.CA.Certificate(host)
	must(err)
	verifier := p.Verifier(audience)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := verifier.Header(r.Header.Get("Authorization")); err != nil {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="https://login.microsoftonline.com/%s", resource="%s"`, p.TenantID, audience))
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

// Lead makes host resolve to address.
func (p *Pod) Lead(host, address string) { p.hosts[host] = address }

// HTTP returns a client that reaches the services by name, and nothing else. Call it after the last
// Serve.
func (p *Pod) HTTP() *http.Client {
	transport := &http.Transport{DialContext: p.Dial, TLSClientConfig: &tls.Config{RootCAs: p.CA.Pool()}}
	p.closers = append(p.closers, transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Dial connects to a service by name.
func (p *Pod) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	to, known := p.hosts[host]
	if !known {
		return nil, fmt.Errorf("unknown service %q", host)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, to)
}

// SDK returns client options that make an Azure SDK client reach the services.
func (p *Pod) SDK() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: p.HTTP(), Retry: policy.RetryOptions{MaxRetries: -1}}
}

// Exchanges returns the number of token requests so far.
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
