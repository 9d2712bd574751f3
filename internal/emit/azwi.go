package emit

import (
	"errors"
	"fmt"
)

// azwiAudience is the one audience that azwi gives a credential.
const azwiAudience = "api://AzureADTokenExchange"

// The phase takes no client ID, and without an object ID it would look for an application by name.
const azwiText = `#!/bin/sh
# Makes the app registration with this client ID trust a Kubernetes service account, and annotates the service account. It needs
# azwi (https://azure.github.io/azure-workload-identity), the Azure CLI, signed in (az login), and kubectl's current context.
# azwi knows app registrations only: a managed identity needs the form az.
(
set -eu
client_id=%[1]s
object_id=$(az ad app show --id="$client_id" --query id --output tsv)
azwi serviceaccount create phase federated-identity \
  --aad-application-object-id="$object_id" \
  --service-account-namespace=%[2]s \
  --service-account-name=%[3]s \
  --service-account-issuer-url=%[4]s
azwi serviceaccount create phase sa \
  --aad-application-client-id="$client_id" \
  --service-account-namespace=%[2]s \
  --service-account-name=%[3]s
)
`

// azwi refuses what azwi would make another credential of: that would sign in nobody, or somebody else.
func azwi(wl Workload) (string, error) {
	switch {
	case !wl.hasServiceAccount():
		return "", errNoServiceAccount
	case !wl.isServiceAccount():
		return "", fmt.Errorf("azwi derives the subject from the service account, and this token's is another, %q", wl.Subject)
	case wl.Audience != azwiAudience:
		return "", fmt.Errorf("azwi makes credentials for the audience %s, and this token's is %q", azwiAudience, wl.Audience)
	}
	return fill(azwiText, shell, wl.clientID(), wl.Namespace, wl.ServiceAccount, wl.Issuer), nil
}

var errNoServiceAccount = errors.New("it is for Kubernetes service accounts, and this token is not one's")
