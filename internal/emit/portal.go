package emit

import (
	"fmt"
	"strings"
)

// portal names the fields as the Azure portal does. The portal's scenario for Kubernetes derives
// the subject from the service account, so any other subject needs the scenario for other issuers.
func portal(wl Workload) (string, error) {
	for _, value := range []string{wl.Issuer, wl.Subject, wl.Audience} {
		if strings.ContainsFunc(value, hidden) {
			return "", fmt.Errorf("%q has invisible characters, which nobody can type: use another form", value)
		}
	}
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
	var text strings.Builder
	for _, row := range rows {
		text.WriteString(fill("%s%s\n", verbatim, fmt.Sprintf("%-31s", row[0]), row[1]))
	}
	return text.String(), nil
}
