#!/bin/sh
# Makes the app registration with this client ID trust a Kubernetes service account, and annotates
# the service account with the client ID. That replaces another client ID there, and nothing else.
# Needs azwi (https://azure.github.io/azure-workload-identity), kubectl with the cluster as its
# current context, and the Azure CLI, signed in to the application's tenant (az login --tenant) with any current
# subscription (az account set --subscription). azwi supports only app registrations: for a managed
# identity, use the form az.
(
set -eu
client_id='11111111-2222-4333-8444-555555555555'
object_id=$(az ad app show --id="$client_id" --query id --output tsv)
azwi serviceaccount create phase federated-identity \
  --aad-application-object-id="$object_id" \
  --service-account-namespace='shop' \
  --service-account-name='orders' \
  --service-account-issuer-url='https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/'
kubectl annotate --overwrite --namespace='shop' -- serviceaccount 'orders' azure.workload.identity/client-id="$client_id"
)
