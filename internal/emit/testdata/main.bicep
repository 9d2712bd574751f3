// Makes an existing user-assigned managed identity trust the workload's federated token:
//   az deployment group create --resource-group GROUP --template-file FILE --parameters identityName=NAME
targetScope = 'resourceGroup'

@description('Name of the user-assigned managed identity with client ID 11111111-2222-4333-8444-555555555555.')
param identityName string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName

  resource federatedCredential 'federatedIdentityCredentials' = {
    name: 'shop-orders-ac15e741'
    properties: {
      issuer: 'https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/'
      subject: 'system:serviceaccount:shop:orders'
      audiences: [
        'api://AzureADTokenExchange'
      ]
    }
  }
}
