// Package emit prints the federated identity credential that a workload needs, from what the workload presents, for the tool
// that makes it. What it prints is to be pasted, so every value comes out as data of the tool's language, whatever is in it.
package emit

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Workload is what a workload presents, from its federated token and its environment. None of it is secret.
type Workload struct {
	ClientID, TenantID        string // of the identity to sign in as; empty: unknown, then a placeholder stands in its place
	Issuer, Subject, Audience string // exactly as in the token
	Namespace, ServiceAccount string // empty for a token that is not Kubernetes'
}

// form is one way to write a credential down.
type form struct {
	name       string
	text       func(Workload) (string, error)
	credential bool // carries issuer, subject and audience, so that they must be there
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

// Forms returns what Write can write:
//
//   - az: a shell script for the Azure CLI, for a managed identity or an app registration
//   - azwi: a shell script for Azure Workload Identity's CLI, for an app registration
//   - bicep, terraform: a credential of a managed identity that exists already
//   - graph: the JSON body of Microsoft Graph's POST /applications(appId='ID')/federatedIdentityCredentials
//   - portal: the Azure portal's fields, a line each; its value begins in column 32
//   - kubernetes: the service account's manifest and a patch for the pod template, which carry no credential
func Forms() []string {
	var names []string
	for _, f := range forms {
		names = append(names, f.name)
	}
	return names
}

// Write writes the workload's credential in a form, in one call of w.Write, or nothing and an error: that there is no such
// form, that a value is missing or no form could carry it, that this form cannot carry the workload, or that of w.
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

// isServiceAccount reports whether the subject is the one that Kubernetes gives the service account.
func (wl Workload) isServiceAccount() bool {
	return wl.hasServiceAccount() && wl.Subject == "system:serviceaccount:"+wl.Namespace+":"+wl.ServiceAccount
}

func (wl Workload) hasServiceAccount() bool { return wl.Namespace != "" && wl.ServiceAccount != "" }

// clientID is in lower case, as Azure returns it, because the Azure CLI's queries heed case. The placeholder is that of the
// examples' manifests.
func (wl Workload) clientID() string {
	return cmp.Or(strings.ToLower(wl.ClientID), "REPLACE-WITH-CLIENT-ID")
}
