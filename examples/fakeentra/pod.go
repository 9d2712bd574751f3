package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// clusterPath is the path of the cluster's issuer. All other paths belong to Entra ID and start
// with a tenant.
const clusterPath = "/cluster/"

const (
	tokenFile     = "AZURE_FEDERATED_TOKEN_FILE"
	authorityHost = "AZURE_AUTHORITY_HOST"
	region        = "AZURE_REGIONAL_AUTHORITY_NAME"
	tokenProxy    = "AZURE_KUBERNETES_TOKEN_PROXY"
)

// pod is the workload whose environment is printed, and the network around it.
type pod struct {
	*entratest.Pod
	env     map[string]string
	issuer  string            // URL of the cluster's documents
	network http.RoundTripper // routes by the URL's host and path
	about   []string          // printed as comments
}

// rightPod returns a pod that can sign in. Its Entra ID fetches the cluster's keys over TLS, as the
// real one does.
func (f *fake) rightPod(volume string, lifetime time.Duration) (*pod, error) {
	issuer := f.base + clusterPath
	if slices.Contains(entraHosts, f.host) {
		issuer = entratest.DefaultIssuer // Entra ID rejects a cluster whose issuer has Entra ID's own name
	}
	path, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	asking := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, f.addr) // every host is this server
		},
		TLSClientConfig: &tls.Config{RootCAs: f.ca.Pool(), MinVersion: tls.VersionTLS12},
	}
	workload, err := entratest.NewPod(volume, &entratest.PodOptions{
		Entra:   &entratest.Server{Lifetime: lifetime, HTTPClient: &http.Client{Timeout: 10 * time.Second, Transport: asking}},
		Cluster: &entratest.Cluster{Issuer: issuer},
		Token:   entratest.TokenRequest{Lifetime: assertionLifetime}, AuthorityHost: f.base + "/",
	})
	if err != nil {
		return nil, err
	}
	p := &pod{Pod: workload, env: map[string]string{}, issuer: issuer}
	for _, variable := range workload.Env() {
		name, value, _ := strings.Cut(variable, "=")
		p.env[name] = value
	}
	p.network = roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, path.Path) {
			return workload.Cluster.Do(r)
		}
		return workload.Entra.Do(r)
	})
	return p, nil
}

// brokenPod returns a pod with one thing broken. Its whole network is in this process.
func (f *fake) brokenPod(volume string, lifetime time.Duration, setup setups.Setup) (*pod, error) {
	broken, err := setups.NewPod(volume)
	if err != nil {
		return nil, err
	}
	broken.Entra.Lifetime = lifetime
	// The Azure CLI asks for these when it signs in.
	broken.Entra.AllowResource("https://management.azure.com", "https://management.core.windows.net")
	authority := broken.Env[authorityHost]
	if err := setup.Break(broken); err != nil {
		return nil, err
	}
	p := &pod{
		Pod: broken.Pod, env: broken.Env, issuer: cmp.Or(broken.Cluster.Issuer, entratest.DefaultIssuer), network: onTheWay(broken),
		about: []string{
			"-setup " + setup.Name + ": " + setup.About,
			"Scope to request: " + broken.Scope,
			"Resource to GET with the token: " + broken.Resource,
		},
	}
	if p.env[authorityHost] == authority && p.env[region] == "" { // regional hosts are subdomains of Entra ID's
		p.env[authorityHost] = f.base + "/"
	}
	for _, name := range []string{authorityHost, tokenProxy} {
		if value := p.env[name]; value != "" && value != f.base+"/" {
			p.about = append(p.about, name+" names another host. Point that host to this machine, as README.md says, or the program will contact the real one")
		}
	}
	if broken.Options.Assertion != nil {
		p.env[tokenFile], err = assertionFile(volume, broken)
	}
	return p, err
}

// assertionFile writes the token that Options.Assertion returns to a file, for programs in other
// languages. If Options.Assertion fails, it writes no file.
func assertionFile(volume string, p *setups.Pod) (string, error) {
	file := filepath.Join(volume, "assertion")
	token, err := p.Options.Assertion(context.Background())
	if err != nil {
		return file, nil
	}
	return file, os.WriteFile(file, []byte(token), 0o600)
}

// onTheWay returns the pod's network behind the setup's policies, which modify requests.
func onTheWay(p *setups.Pod) http.RoundTripper {
	network := p.HTTPClient.Transport
	if len(p.Options.PerRetryPolicies) == 0 {
		return network
	}
	pipeline := runtime.NewPipeline("fakeentra", "", runtime.PipelineOptions{PerRetry: p.Options.PerRetryPolicies}, &policy.ClientOptions{
		Transport: transporter{network}, Retry: policy.RetryOptions{MaxRetries: -1},
	})
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodPost {
			return network.RoundTrip(r)
		}
		request, err := runtime.NewRequestFromRequest(r)
		if err != nil {
			return nil, err
		}
		return pipeline.Do(request)
	})
}

// roundTripper makes an [http.RoundTripper] of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// transporter makes a [policy.Transporter] of an [http.RoundTripper].
type transporter struct{ http.RoundTripper }

// Do implements [policy.Transporter].
func (t transporter) Do(r *http.Request) (*http.Response, error) { return t.RoundTrip(r) }

func listSetups(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range setups.Setups() {
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.About)
	}
	return table.Flush()
}
