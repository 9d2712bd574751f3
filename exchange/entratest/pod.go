package entratest

import (
	"cmp"
	"fmt"
)

// webhookTokenPath is the token's path in its volume, as the workload identity webhook v1.6.0
// projects it. The volume's root is mounted at /var/run/secrets/azure/wi.
const webhookTokenPath = "token/azure-identity-token"

// Defaults of [PodOptions]. The tenant is the one in [DefaultIssuer].
const (
	defaultClientID  = "11111111-2222-4333-8444-555555555555"
	defaultTenantID  = "10000000-0000-4000-8000-000000000001"
	defaultAuthority = "https://login.microsoftonline.com/"
)

// Pod is a workload that can sign in: a pod with a projected service-account token, its cluster,
// and an Entra ID that trusts the token. Make one with [NewPod].
//
// Script, rotate or break what the fields point to; that is safe for concurrent use. The fields
// themselves are not: set them before other goroutines use the Pod.
type Pod struct {
	Entra      *Server
	Cluster    *Cluster
	Projection *Projection // the volume with the token

	TenantID  string
	ClientID  string
	TokenFile string // path of the federated token

	// AuthorityHost is the URL of Entra ID for AZURE_AUTHORITY_HOST, as given in the options.
	AuthorityHost string

	// Trusted is the federated credential that Entra trusts. Pass it to [Server.Revoke] to remove
	// the trust.
	Trusted FederatedCredential
}

// PodOptions configures [NewPod]. All fields are optional.
type PodOptions struct {
	// Entra and Cluster may be shared with other pods or configured beforehand. Default: new ones.
	// An Entra with an HTTPClient uses it to fetch the issuer's documents. Without one, it reads
	// them directly from Cluster.
	Entra   *Server
	Cluster *Cluster

	// TenantID and ClientID are the identity to sign in as. Default: two fixed GUIDs.
	TenantID string
	ClientID string

	// Token is the kubelet's request. Namespace, ServiceAccount and Pod default to "shop", "orders"
	// and "orders-0".
	Token TokenRequest

	// TokenPath is the token's path in its volume. Default: see [Cluster.Project].
	TokenPath string

	// AuthorityHost is the URL of Entra as the pod sees it, such as that of an httptest.Server with
	// Entra as its handler. Default: "https://login.microsoftonline.com/".
	AuthorityHost string
}

// NewPod returns a pod that can sign in: the token is in a volume laid out as by the kubelet, and
// Entra trusts the token's issuer, subject and audience. dir is the volume's mount point; see
// [Cluster.Project]. options may be nil. NewPod does not set environment variables; see [Pod.Env].
//
// NewPod fails if it cannot write a file or create a symbolic link, which most users of Windows may
// not do, or if Entra refuses to register the federated credential.
func NewPod(dir string, options *PodOptions) (*Pod, error) {
	if options == nil {
		options = &PodOptions{}
	}
	p := &Pod{
		Entra:         cmp.Or(options.Entra, new(Server)),
		Cluster:       cmp.Or(options.Cluster, new(Cluster)),
		TenantID:      cmp.Or(options.TenantID, defaultTenantID),
		ClientID:      cmp.Or(options.ClientID, defaultClientID),
		AuthorityHost: cmp.Or(options.AuthorityHost, defaultAuthority),
	}
	request := options.Token
	request.Namespace = cmp.Or(request.Namespace, "shop")
	request.ServiceAccount = cmp.Or(request.ServiceAccount, "orders")
	request.Pod = cmp.Or(request.Pod, "orders-0")
	p.Trusted = FederatedCredential{
		TenantID: p.TenantID, ClientID: p.ClientID,
		Issuer: p.Cluster.issuer(), Subject: request.subject(), Audiences: request.withDefaults().Audiences,
	}
	if err := p.trust(); err != nil {
		return nil, err
	}
	var err error
	p.Projection, err = p.Cluster.Project(dir, options.TokenPath, request)
	if err != nil {
		return nil, fmt.Errorf("entratest: pod: %w", err)
	}
	p.TokenFile = p.Projection.Path()
	return p, nil
}

func (p *Pod) trust() error {
	if p.Entra.HTTPClient != nil {
		return p.Entra.Trust(p.Trusted)
	}
	return p.Entra.TrustCluster(p.Cluster, p.Trusted)
}

// Env returns the variables that the workload identity webhook injects, in the form "NAME=value" of
// [os.Environ]. Add them to the Env of an [os/exec.Cmd], or split them with strings.Cut and set
// them with testing.T.Setenv.
func (p *Pod) Env() []string {
	return []string{
		"AZURE_CLIENT_ID=" + p.ClientID,
		"AZURE_TENANT_ID=" + p.TenantID,
		"AZURE_FEDERATED_TOKEN_FILE=" + p.TokenFile,
		"AZURE_AUTHORITY_HOST=" + p.AuthorityHost,
	}
}
