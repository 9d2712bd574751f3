package emit

import (
	"errors"
	"fmt"

	"github.com/entrafed/entrafed/internal/webhook"
)

// azwiAudience is the only audience that azwi gives a credential.
const azwiAudience = webhook.Audience

// azwiText passes the object ID because the phase accepts no client ID, and without an object ID it
// looks for an application by name. It annotates the service account with kubectl because azwi's
// phase sa would replace it: other annotations, labels and image pull secrets would be lost, and
// its tenant would become the current subscription's.
const azwiText = `#!/bin/sh
# Makes the app registration with this client ID trust a Kubernetes service account, and annotates
# the service account with the client ID. That replaces another client ID there, and nothing else.
# Needs azwi (https://azure.github.io/azure-workload-identity), kubectl with the cluster as its
# current context, and the Azure CLI, signed in to the application's tenant (az login --tenant) with any current
# subscription (az account set --subscription). azwi supports only app registrations: for a managed
# identity, use the form az.
(
set -eu
client_id=%[1]s
object_id=$(az ad app show --id="$client_id" --query id --output tsv)
azwi serviceaccount create phase federated-identity \
  --aad-application-object-id="$object_id" \
  --service-account-namespace=%[2]s \
  --service-account-name=%[3]s \
  --service-account-issuer-url=%[4]s
kubectl annotate --overwrite --namespace=%[2]s -- serviceaccount %[3]s ` + webhook.AnnotationClientID + `="$client_id"
)
`

// azwi returns an error if the azwi tool would create a different credential. That credential would
// be useless, or let in another workload.
func azwi(wl Workload) (string, error) {
	switch {
	case !wl.hasServiceAccount():
		return "", errNoServiceAccount
	case !wl.isServiceAccount():
		return "", fmt.Errorf("azwi derives the subject from the service account, but this token's subject is %q", wl.Subject)
	case wl.Audience != azwiAudience:
		return "", fmt.Errorf("azwi creates credentials only for the audience %s, but this token's audience is %q", azwiAudience, wl.Audience)
	}
	return fill(azwiText, shell, wl.clientID(), wl.Namespace, wl.ServiceAccount, wl.Issuer), nil
}

var errNoServiceAccount = errors.New("this form is for Kubernetes service accounts, but the token is not a service account's")
