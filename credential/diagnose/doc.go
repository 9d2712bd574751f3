// Package diagnose finds out which link of the chain from a pod's environment to its access token is broken:
//
//	environment → token file → service account → OIDC issuer → federated credential → access token → resource
//
// [Run] looks at each as far as it can be seen from here, signs in once, and attributes what Entra ID objects to to the link
// that is at fault. The [Report] prints as text, as JSON and as an HTML page, and holds no secret. It is for people, and for
// programs that show it to people: its texts change without notice, and so do the facts.
//
// It is meant for a debugging command, a container beside the one that fails, or a page for operators. It is no health check: each run is
// at least one request to Entra ID. Readiness probes ask [credential.Credential.Status], which sends nothing.
package diagnose
