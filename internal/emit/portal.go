package emit

import "fmt"

// portal names the fields as the Azure portal does. Its scenario for Kubernetes makes the subject of the service account by
// itself, so that another subject needs the scenario for other issuers.
func portal(wl Workload) (string, error) {
	rows := [][2]string{
		{"Client ID", wl.clientID()},
		{"Open", "Managed Identities > the identity > Settings > Federated credentials > Add credential"},
		{"Open, for an app registration", "App registrations > the app > Certificates & secrets > Federated credentials > Add credential"},
	}
	if wl.isServiceAccount() {
		rows = append(rows, [][2]string{
			{"Federated credential scenario", "Kubernetes accessing Azure resources"},
			{"Cluster Issuer URL", wl.Issuer},
			{"Namespace", wl.Namespace},
			{"Service Account", wl.ServiceAccount},
		}...)
	} else {
		rows = append(rows, [][2]string{
			{"Federated credential scenario", "Other"},
			{"Issuer URL", wl.Issuer},
		}...)
	}
	rows = append(rows, [][2]string{{"Subject identifier", wl.Subject}, {"Name", credentialName(wl)}, {"Audience", wl.Audience}}...)
	var text string
	for _, row := range rows {
		text += fill("%s%s\n", verbatim, fmt.Sprintf("%-31s", row[0]), row[1])
	}
	return text, nil
}
