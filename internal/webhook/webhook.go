// Package webhook describes a pod after the Azure workload identity webhook has changed it. Fakes,
// setups, messages, manifests and documents all use it.
//
// Everything here was measured with the unmodified webhook, v1.6.0 (2026-06) and v1.5.1, with its
// own manifest, in front of kube-apiserver v1.36.3.
package webhook

import "path"

// The variables that the webhook adds to a container. It never adds an empty one, and never changes
// one that the container already has, even if that is empty. So a variable that is set but empty
// comes from the pod's author.
const (
	EnvClientID  = "AZURE_CLIENT_ID"
	EnvTenantID  = "AZURE_TENANT_ID"
	EnvTokenFile = "AZURE_FEDERATED_TOKEN_FILE"
	EnvAuthority = "AZURE_AUTHORITY_HOST" // ends with a slash

	// The variables of an AKS identity binding.
	EnvTokenProxy = "AZURE_KUBERNETES_TOKEN_PROXY"
	EnvSNIName    = "AZURE_KUBERNETES_SNI_NAME"
	EnvCAFile     = "AZURE_KUBERNETES_CA_FILE" // always set
	EnvCAData     = "AZURE_KUBERNETES_CA_DATA" // also set if the webhook has a CA
)

// Labels and annotations.
const (
	// On the pod. The label's value must be exactly "true". AnnotationSkipContainers lists names,
	// separated by semicolons.
	LabelUse                  = "azure.workload.identity/use"
	AnnotationSkipContainers  = "azure.workload.identity/skip-containers"
	AnnotationIdentityBinding = "azure.workload.identity/use-identity-binding"

	// On the service account. The tenant ID overrides the webhook's own.
	AnnotationClientID = "azure.workload.identity/client-id"
	AnnotationTenantID = "azure.workload.identity/tenant-id"

	// On either: 3600 to 86400 seconds.
	AnnotationExpiration = "azure.workload.identity/service-account-token-expiration"
)

// The token that the webhook makes the kubelet project.
const (
	// In every cloud, unless the webhook's flag --audience is set.
	Audience          = "api://AzureADTokenExchange"
	BindingAudience   = "api://AKSIdentityBinding" // for a pod with an identity binding
	ExpirationSeconds = 3600                       // unless annotated otherwise
)

// Layout describes where a version of the webhook puts the token.
type Layout struct {
	Version   string // the newest version with this layout
	MountPath string // of the volume, on Windows too
	TokenPath string // within the volume
	Volume    string // the volume's name; if it ends with a hyphen, a hash follows
}

// All layouts so far.
var (
	V160 = Layout{"v1.6.0", "/var/run/secrets/azure/wi", "token/azure-identity-token", "azure-workload-identity-reserved-"}
	V151 = Layout{"v1.5.1", "/var/run/secrets/azure/tokens", "azure-identity-token", "azure-identity-token"}
)

// Layouts returns all layouts, newest first.
func Layouts() []Layout { return []Layout{V160, V151} }

// TokenFile returns the value of AZURE_FEDERATED_TOKEN_FILE.
func (l Layout) TokenFile() string { return path.Join(l.MountPath, l.TokenPath) }

// CAFile is the value of AZURE_KUBERNETES_CA_FILE.
const CAFile = "/var/run/secrets/azure/wi/ca-cert/ca.crt"
