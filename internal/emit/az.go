package emit

import (
	"encoding/json"
	"regexp"
	"strings"
)

// azText puts values after an equals sign, so that a leading hyphen does not make one an option. It
// removes the carriage returns of the Azure CLI for Windows. It runs in a subshell, so that a
// failure does not close the shell that people paste it into.
const azText = `#!/bin/sh
# Makes the identity with this client ID trust the workload's federated token. The identity is a
# user-assigned managed identity of the current subscription (az account set --subscription) or, if
# none has this client ID, an app registration. Needs the Azure CLI, signed in to the identity's
# tenant (az login --tenant). The federated credential takes effect in a few minutes.
(
set -eu
client_id=%[1]s
found=$(az identity list --query "[?clientId=='$client_id'].[name, resourceGroup]" --output tsv)
if [ -n "$found" ]; then
  az identity federated-credential create --name=%[2]s \
    --identity-name="$(printf '%%s\n' "$found" | cut -f 1)" \
    --resource-group="$(printf '%%s\n' "$found" | cut -f 2 | tr -d '\r')" \
    --issuer=%[3]s \
    --subject=%[4]s \
    --audiences=%[5]s
else
  echo 'No managed identity with this client ID was found in the current subscription: trying the app registrations.' >&2
  az ad app federated-credential create --id="$client_id" \
    --parameters=%[6]s
fi
)
`

func az(wl Workload) (string, error) {
	body, err := json.Marshal(graphBody(wl))
	return fill(azText, shell, wl.clientID(), credentialName(wl), azValue(wl.Issuer), azValue(wl.Subject), azValue(wl.Audience), asJSON(body)), err
}

// azPlain matches strings that the Azure CLI takes literally.
var azPlain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 :/._~?&%+@#-]*$`)

// azValue quotes values that the Azure CLI would not take literally: it loads the file named after
// an @, and its shorthand syntax gives a meaning to null, ??, brackets, = and single quotes
// (azure/cli/core/aaz/_utils.py). Between single quotes, a quote is written '/. Plain values stay
// unquoted, because versions without the shorthand syntax would keep the quotes.
func azValue(s string) string {
	if azPlain.MatchString(s) && s != "null" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "'/") + "'"
}
