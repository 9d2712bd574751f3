package emit

import "github.com/entrafed/entrafed/internal/webhook"

// kubernetesText names a separate field manager, so that kubectl apply changes nothing that others
// have set. With kubectl's default one, the manifest would delete what an earlier manifest of the
// service account had set.
const kubernetesText = `## The workload's service account. Applying it changes nothing else in the service account. If an
## annotation already has another value, kubectl reports a conflict.
## kubectl apply --server-side --field-manager workload-identity --filename FILE
apiVersion: v1
kind: ServiceAccount
metadata:
  name: %[1]s
  namespace: %[2]s
  annotations:
    ` + webhook.AnnotationClientID + `: %[3]s
`

const kubernetesTenant = `    ` + webhook.AnnotationTenantID + `: %s
`

// kubernetesPatch is a comment, because kubectl apply refuses a file in which one document is not
// an object.
const kubernetesPatch = `
## The patch for the workload's pod template. On the Deployment itself, the label has no effect. Copy
## the lines below to another file, without the leading "# ".
## kubectl patch deployment NAME --namespace NAMESPACE --patch-file FILE
# spec:
#   template:
#     metadata:
#       labels:
#         ` + webhook.LabelUse + `: "true"
#     spec:
#       serviceAccountName: %s
`

func kubernetes(wl Workload) (string, error) {
	if !wl.hasServiceAccount() {
		return "", errNoServiceAccount
	}
	text := fill(kubernetesText, yaml, wl.ServiceAccount, wl.Namespace, wl.clientID())
	if wl.TenantID != "" {
		text += fill(kubernetesTenant, yaml, wl.TenantID)
	}
	return text + fill(kubernetesPatch, yaml, wl.ServiceAccount), nil
}
