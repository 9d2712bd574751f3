package broken

import (
	"errors"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "10000000-0000-4000-8000-000000000001" // that of the cluster's issuer too

	vaultURI    = "https://vault.azure.net"
	storageURI  = "https://storage.azure.com"
	exchangeURI = "api://AzureADTokenExchange"

	envClientID  = "AZURE_CLIENT_ID"
	envTenantID  = "AZURE_TENANT_ID"
	envTokenFile = "AZURE_FEDERATED_TOKEN_FILE"
	envAuthority = "AZURE_AUTHORITY_HOST"
	envRegion    = "AZURE_REGIONAL_AUTHORITY_NAME"
	envProxy     = "AZURE_KUBERNETES_TOKEN_PROXY"
	envSNIName   = "AZURE_KUBERNETES_SNI_NAME"
	envCAFile    = "AZURE_KUBERNETES_CA_FILE"
	envCAData    = "AZURE_KUBERNETES_CA_DATA"
)

// EnvNames returns the environment variables that package credential reads. Who uses a [Pod] unsets those that are not in its Env.
func EnvNames() []string {
	return []string{envClientID, envTenantID, envTokenFile, envAuthority, envRegion, envProxy, envSNIName, envCAFile, envCAData}
}

// Pod is a workload and all that surrounds it: the service account orders in the namespace shop of an AKS cluster, which signs in
// as a managed identity and reads a secret of a key vault. That of [NewPod] is set up right.
//
// Its fields are for one goroutine, until what is made of them is in use.
type Pod struct {
	Entra   *entratest.Server
	Cluster *entratest.Cluster
	Volume  *entratest.Projection // the token's, projected as the kubelet does

	// Env is the environment as the workload identity webhook injects it. The pod does not set it: who uses the pod does.
	Env map[string]string

	// Options lead to the fakes, and retry nothing. What a setup breaks in code it breaks here.
	Options credential.Options

	// HTTPClient reaches what the pod would: the issuer's documents, Entra ID and the resource, by calling their handlers. Every
	// other host is unknown.
	HTTPClient *http.Client

	Scope    string // to ask a token for
	Resource string // URL of the fake resource, to GET with that token; a key vault's secret

	dir     string
	files   int     // made in dir so far
	here    network // as the pod sees it
	outside network // as Entra ID sees it
	vault   *vault
}

// NewPod returns a pod that is set up right. Its files go to dir, which must exist and is not removed. The error is that of a file
// or, as for most users of Windows, of a symbolic link.
func NewPod(dir string) (*Pod, error) {
	p := &Pod{
		Entra:    &entratest.Server{},
		Cluster:  &entratest.Cluster{},
		Env:      map[string]string{envClientID: clientID, envTenantID: tenantID, envAuthority: "https://" + authority + "/"},
		Scope:    vaultURI + "/.default",
		Resource: "https://" + vaultHost + secretPath,
		dir:      dir,
		here:     network{},
		outside:  network{},
	}
	p.HTTPClient = &http.Client{Transport: p.here}
	p.Options.Transport = p.HTTPClient
	p.Options.PropagationTimeout, p.Options.Retry.MaxRetries = -1, -1
	p.vault = &vault{entra: p.Entra, tenantID: tenantID, roles: map[string]bool{clientID: true}}
	p.Entra.RefuseRegions = true
	return p, errors.Join(p.connect(), p.Entra.Trust(right()), p.Entra.SetCloud(tenantID, authority), p.project(account()))
}

// connect makes everything reachable that is.
func (p *Pod) connect() error {
	p.Entra.HTTPClient = &http.Client{Transport: p.outside}
	p.Entra.AllowResource(vaultURI, storageURI)
	for _, host := range []string{authority, "login.microsoftonline.us", "login.partner.microsoftonline.cn", "westeurope.login.microsoft.com"} {
		p.serve(host, p.Entra.Do)
	}
	p.serve(vaultHost, p.vault.Do)
	return p.serveCluster(p.Cluster, entratest.DefaultIssuer)
}

// move makes the pod one of another cluster, of which Entra ID knows nothing and whose issuer is not served.
func (p *Pod) move(issuer string) error {
	p.Cluster = &entratest.Cluster{Issuer: issuer}
	return p.project(account())
}

// right is the federated credential of the pod's service account.
func right() entratest.FederatedCredential {
	return entratest.FederatedCredential{TenantID: tenantID, ClientID: clientID, Issuer: entratest.DefaultIssuer, Subject: subject}
}

const subject = "system:serviceaccount:shop:orders"

// reregister gives the identity the right federated credential but for a change, instead of the right one.
func (p *Pod) reregister(change func(*entratest.FederatedCredential)) error {
	f := right()
	change(&f)
	return errors.Join(p.Entra.Revoke(right()), p.Entra.Trust(f))
}

// account is what the webhook asks the kubelet for.
func account() entratest.TokenRequest {
	return entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders", Pod: "orders-0"}
}

// project mounts a volume with a token of the pod's cluster.
func (p *Pod) project(r entratest.TokenRequest) error {
	volume, err := p.Cluster.Project(p.newPath("volume"), "azure-identity-token", r)
	if err != nil {
		return err
	}
	p.Volume, p.Env[envTokenFile] = volume, volume.Path()
	return nil
}

// newPath returns a path in the pod's directory that nothing has yet.
func (p *Pod) newPath(name string) string {
	p.files++
	return filepath.Join(p.dir, name+"-"+strconv.Itoa(p.files))
}
