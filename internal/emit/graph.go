package emit

import "encoding/json"

// BlueprintURL is where Microsoft Graph creates the federated credential of an agent identity
// blueprint; ID stands for its object ID
// (https://learn.microsoft.com/graph/api/federatedidentitycredential-post?view=graph-rest-beta).
const BlueprintURL = "https://graph.microsoft.com/beta/applications/ID/microsoft.graph.agentIdentityBlueprint/federatedIdentityCredentials"

// graphCredential holds the required members of Microsoft Graph's federatedIdentityCredential.
type graphCredential struct {
	Name      string   `json:"name"`
	Issuer    string   `json:"issuer"`
	Subject   string   `json:"subject"`
	Audiences []string `json:"audiences"` // Entra ID accepts exactly one
}

func graphBody(wl Workload) graphCredential {
	return graphCredential{credentialName(wl), wl.Issuer, wl.Subject, []string{wl.Audience}}
}

func graph(wl Workload) (string, error) {
	body, err := json.MarshalIndent(graphBody(wl), "", "  ")
	return asJSON(body) + "\n", err
}
