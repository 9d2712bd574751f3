package setups

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/webhook"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "10000000-0000-4000-8000-000000000001" // also the tenant in the cluster's issuer

	vaultURI    = "https://vault.azure.net"
	storageURI  = "https://storage.azure.com"
	exchangeURI = webhook.Audience

	envClientID  = webhook.EnvClientID
	envTenantID  = webhook.EnvTenantID
	envTokenFile = webhook.EnvTokenFile
	envAuthority = webhook.EnvAuthority
	envRegion    = "AZURE_REGIONAL_AUTHORITY_NAME" // not the webhook's
	envProxy     = webhook.EnvTokenProxy
	envSNIName   = webhook.EnvSNIName
	envCAFile    = webhook.EnvCAFile
	envCAData    = webhook.EnvCAData
)

// EnvNames returns the environment variables that package credential reads.
func EnvNames() []string {
	return []string{envClientID, envTenantID, envTokenFile, envAuthority, envRegion, envProxy, envSNIName, envCAFile, envCAData}
}

// Pod is a workload and its surroundings: the service account orders in the namespace shop of an
// AKS cluster, which signs in as a managed identity and reads a secret from a key vault. [NewPod]
// sets it up correctly.
//
// Only one goroutine may use its fields, and only before the credential made from them is in use.
type Pod struct {
	*entratest.Pod

	// Env is the environment as the workload identity webhook injects it, with slashes in paths on
	// Windows, too. [Pod.Enter] makes it the process's.
	Env map[string]string

	// Options lead to the fakes and retry nothing. Setups that break code break it here.
	Options credential.Options

	// HTTPClient reaches the hosts that the pod reaches: the issuer's documents, Entra ID and the
	// resource, by calling their handlers. Every other host is unknown.
	HTTPClient *http.Client

	Scope    string // of the token to request
	Agent    string // client ID of the agent identity to sign in as; empty for the identity itself
	Resource string // URL of the fake resource to GET with that token: a key vault's secret

	layout  webhook.Layout
	dir     string
	files   int     // created in dir so far
	here    network // as the pod sees it
	outside network // as Entra ID sees it
	vault   *vault
}

// NewPod returns a pod that is set up correctly, in the layout of the newest webhook. Its files go
// to dir, which must exist and is not removed. It fails if it cannot create a file or, as for most
// users of Windows, a symbolic link.
func NewPod(dir string) (*Pod, error) { return NewPodAs(dir, webhook.V160) }

// NewPodAs is [NewPod] in the layout of another version of the webhook.
func NewPodAs(dir string, layout webhook.Layout) (*Pod, error) {
	p := &Pod{
		layout:   layout,
		Env:      map[string]string{},
		Scope:    vaultURI + "/.default",
		Resource: "https://" + vaultHost + secretPath,
		dir:      dir,
		here:     network{},
		outside:  network{},
	}
	var err error
	p.Pod, err = entratest.NewPod(p.newPath("volume"), &entratest.PodOptions{
		Entra:    &entratest.Server{RefuseRegions: true, HTTPClient: &http.Client{Transport: p.outside}},
		TenantID: tenantID, ClientID: clientID, TokenPath: layout.TokenPath,
	})
	if err != nil {
		return nil, err
	}
	for _, variable := range p.Pod.Env() {
		name, value, _ := strings.Cut(variable, "=")
		p.Env[name] = value
	}
	p.Env[envTokenFile] = filepath.ToSlash(p.TokenFile)
	p.HTTPClient = &http.Client{Transport: p.here}
	p.Options.Transport = p.HTTPClient
	p.Options.PropagationTimeout, p.Options.Retry.MaxRetries = -1, -1
	p.vault = &vault{entra: p.Entra, tenantID: tenantID, roles: map[string]bool{clientID: true}}
	return p, errors.Join(p.connect(), p.Entra.SetCloud(tenantID, authority))
}

// Enter replaces the process's environment with the pod's: of the variables that package credential
// reads, it sets those in Env and unsets the others. An empty variable would be a different
// mistake.
func (p *Pod) Enter() error {
	var errs []error
	for _, name := range EnvNames() {
		if value, ok := p.Env[name]; ok {
			errs = append(errs, os.Setenv(name, value))
		} else {
			errs = append(errs, os.Unsetenv(name))
		}
	}
	return errors.Join(errs...)
}

// AddAgent makes the pod's identity the blueprint of an agent identity that may read the secret.
func (p *Pod) AddAgent(clientID string) error {
	p.Agent = clientID
	p.vault.roles[clientID] = true
	return p.Entra.AddAgent(entratest.Agent{TenantID: p.TenantID, BlueprintID: p.ClientID, ClientID: clientID})
}

// connect makes the pod's hosts reachable.
func (p *Pod) connect() error {
	p.Entra.AllowResource(vaultURI, storageURI)
	for _, host := range []string{authority, "login.microsoftonline.us", "login.partner.microsoftonline.cn", "westeurope.login.microsoft.com"} {
		p.serve(host, p.Entra.Do)
	}
	p.serve(vaultHost, p.vault.Do)
	return p.serveCluster(p.Cluster, entratest.DefaultIssuer)
}

// move moves the pod to another cluster, which Entra ID does not know and whose issuer is not
// served.
func (p *Pod) move(issuer string) error {
	p.Cluster = &entratest.Cluster{Issuer: issuer}
	return p.project(account())
}

const subject = "system:serviceaccount:shop:orders"

// reregister replaces the identity's federated credential with a changed copy.
func (p *Pod) reregister(change func(*entratest.FederatedCredential)) error {
	f := p.Trusted
	change(&f)
	return errors.Join(p.Entra.Revoke(p.Trusted), p.Entra.Trust(f))
}

// account returns the webhook's request to the kubelet.
func account() entratest.TokenRequest {
	return entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders", Pod: "orders-0"}
}

// project mounts a volume with a token of the pod's cluster.
func (p *Pod) project(r entratest.TokenRequest) error {
	volume, err := p.Cluster.Project(p.newPath("volume"), p.layout.TokenPath, r)
	if err != nil {
		return err
	}
	p.Projection, p.TokenFile, p.Env[envTokenFile] = volume, volume.Path(), filepath.ToSlash(volume.Path())
	return nil
}

// newPath returns an unused path in the pod's directory.
func (p *Pod) newPath(name string) string {
	p.files++
	return filepath.Join(p.dir, name+"-"+strconv.Itoa(p.files))
}
