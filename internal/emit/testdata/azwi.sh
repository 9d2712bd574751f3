#!/bin/sh
# Makes the app registration with this client ID trust a Kubernetes service account, and annotates the service account. It needs
# azwi (https://azure.github.io/azure-workload-identity), the Azure CLI, signed in (az login), and kubectl's current context.
# azwi knows app registrations only: a managed identity needs the form az.
(
set -eu
client_id='11111111-2222-4333-8444-555555555555'
object_id=$(az ad app show --id="$client_id" --query id --output tsv)
azwi serviceaccount create phase federated-identity \
  --aad-application-object-id="$object_id" \
  --service-account-namespace='shop' \
  --service-account-name='orders' \
  --service-account-issuer-url='https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/'
azwi serviceaccount create phase sa \
  --aad-application-client-id="$client_id" \
  --service-account-namespace='shop' \
  --service-account-name='orders'
)
