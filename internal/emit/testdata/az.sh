#!/bin/sh
# Makes the identity with this client ID trust the workload's federated token. The identity is a
# user-assigned managed identity of the current subscription (az account set --subscription) or, if
# none has this client ID, an app registration. Needs the Azure CLI, signed in to the identity's
# tenant (az login --tenant). The federated credential takes effect in a few minutes.
(
set -eu
client_id='11111111-2222-4333-8444-555555555555'
found=$(az identity list --query "[?clientId=='$client_id'].[name, resourceGroup]" --output tsv)
if [ -n "$found" ]; then
  az identity federated-credential create --name='shop-orders-ac15e741' \
    --identity-name="$(printf '%s\n' "$found" | cut -f 1)" \
    --resource-group="$(printf '%s\n' "$found" | cut -f 2 | tr -d '\r')" \
    --issuer='https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/' \
    --subject='system:serviceaccount:shop:orders' \
    --audiences='api://AzureADTokenExchange'
else
  echo 'No managed identity with this client ID was found in the current subscription: trying the app registrations.' >&2
  az ad app federated-credential create --id="$client_id" \
    --parameters='{"name":"shop-orders-ac15e741","issuer":"https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/","subject":"system:serviceaccount:shop:orders","audiences":["api://AzureADTokenExchange"]}'
fi
)
