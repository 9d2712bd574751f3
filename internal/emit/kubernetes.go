package emit

// The patch is a comment, because kubectl apply refuses a file in which one document is no object.
const kubernetesText = `## The service account that the workload runs as: kubectl apply --filename FILE
apiVersion: v1
kind: ServiceAccount
metadata:
  name: %[1]s
  namespace: %[2]s
  annotations:
    azure.workload.identity/client-id: %[3]s
`

const kubernetesTenant = `    azure.workload.identity/tenant-id: %s
`

const kubernetesPatch = `
## What the workload's pod template needs; on the Deployment itself the label does nothing. As a file of its own, and each line
## without its leading "# ": kubectl patch deployment NAME --namespace NAMESPACE --patch-file FILE
# spec:
#   template:
#     metadata:
#       labels:
#         azure.workload.identity/use: "true"
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
