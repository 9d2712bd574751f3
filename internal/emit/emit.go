// Package emit prints the federated credential that a workload needs, in the language of the tool
// that creates it. The values come from the workload's token and environment. People paste the
// output into a shell or a file, so every value is quoted as data of that language, whatever it
// contains.
package emit

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Workload holds what emit needs from a workload's federated token and environment. None of it is
// secret.
type Workload struct {
	ClientID, TenantID        string // of the identity to sign in as; empty if unknown
	Issuer, Subject, Audience string // exactly as in the token
	Namespace, ServiceAccount string // empty unless the token is Kubernetes'
}

// form is one way to write a credential.
type form struct {
	name       string
	text       func(Workload) (string, error)
	credential bool // requires issuer, subject and audience
}

var forms = []form{
	{"az", az, true},
	{"azwi", azwi, true},
	{"bicep", bicep, true},
	{"terraform", terraform, true},
	{"graph", graph, true},
	{"portal", portal, true},
	{"kubernetes", kubernetes, false},
}

// Forms returns the forms that [Write] supports:
//
//   - az: a shell script for the Azure CLI, for a managed identity or an app registration
//   - azwi: a shell script for Azure Workload Identity's CLI, for an app registration
//   - bicep, terraform: a credential of an existing managed identity
//   - graph: the JSON body of Microsoft Graph's POST
//     /applications(appId='ID')/federatedIdentityCredentials or, for an agent identity blueprint,
//     to [BlueprintURL]
//   - portal: the Azure portal's fields, one per line, with the values in column 32
//   - kubernetes: the service account's manifest and a patch for the pod template, without the
//     federated credential
func Forms() []string {
	var names []string
	for _, f := range forms {
		names = append(names, f.name)
	}
	return names
}

// Write writes the workload's credential in a form, with a single call to w.Write. It writes
// nothing and returns an error if there is no such form, if a value is missing, or if the form
// cannot carry the workload. It also returns the error of w. A placeholder replaces an unknown
// client ID.
func Write(w io.Writer, form string, wl Workload) error {
	i := slices.Index(Forms(), form)
	if i < 0 {
		return fmt.Errorf("emit: there is no form %q; the forms are %s", form, strings.Join(Forms(), ", "))
	}
	if err := check(wl, forms[i].credential); err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	text, err := forms[i].text(wl)
	if err != nil {
		return fmt.Errorf("emit: %s: %w", form, err)
	}
	_, err = io.WriteString(w, text)
	return err
}

// isServiceAccount reports whether the subject is the service account's in Kubernetes.
func (wl Workload) isServiceAccount() bool {
	return wl.hasServiceAccount() && wl.Subject == "system:serviceaccount:"+wl.Namespace+":"+wl.ServiceAccount
}

func (wl Workload) hasServiceAccount() bool { return wl.Namespace != "" && wl.ServiceAccount != "" }

// clientID returns the client ID in lower case, as Azure returns it, because queries of the Azure
// CLI are case-sensitive. The placeholder is also the one in the examples' manifests.
func (wl Workload) clientID() string {
	return cmp.Or(strings.ToLower(wl.ClientID), "REPLACE-WITH-CLIENT-ID")
}
