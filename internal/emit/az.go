package emit

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Values stand behind an equals sign, so that one with a hyphen in front is no option. A carriage return is what the Azure CLI
// for Windows ends lines with. The parentheses keep a failure from closing the shell that the script is pasted into.
const azText = `#!/bin/sh
# Makes the identity with this client ID trust the workload's federated token: the user-assigned managed identity of the
# current subscription (az account set --subscription), else the app registration. It needs the Azure CLI, signed in to the
# identity's tenant (az login --tenant). The credential counts after some minutes.
(
set -eu
client_id=%[1]s
found=$(az identity list --query "[?clientId=='$client_id'].[name, resourceGroup]" --output tsv) || found=
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
	return fill(azText, shell, wl.clientID(), credentialName(wl), azValue(wl.Issuer), azValue(wl.Subject), azValue(wl.Audience), string(body)), err
}

// azPlain is what the Azure CLI is sure to take for nothing but a value.
var azPlain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 :/._~?&%+@#-]*$`)

// azValue quotes what the Azure CLI would read as something else: it loads the file that follows an @, and its shorthand
// syntax gives a meaning to null, ??, brackets, = and single quotes (azure/cli/core/aaz/_utils.py). Between single quotes a
// quote is written '/. Versions before the shorthand syntax would keep the quotes, so plain values go without.
func azValue(s string) string {
	if azPlain.MatchString(s) && s != "null" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "'/") + "'"
}
