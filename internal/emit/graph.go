package emit

import "encoding/json"

// graphCredential is Microsoft Graph's federatedIdentityCredential, as far as it must be given.
type graphCredential struct {
	Name      string   `json:"name"`
	Issuer    string   `json:"issuer"`
	Subject   string   `json:"subject"`
	Audiences []string `json:"audiences"` // Entra ID takes just one
}

func graphBody(wl Workload) graphCredential {
	return graphCredential{credentialName(wl), wl.Issuer, wl.Subject, []string{wl.Audience}}
}

func graph(wl Workload) (string, error) {
	body, err := json.MarshalIndent(graphBody(wl), "", "  ")
	return string(body) + "\n", err
}
