// The managed identity that the workload signs in as, which trusts the workload's service account.
targetScope = 'resourceGroup'

@description('The cluster\'s OIDC issuer, exactly as the cluster writes it into tokens. On AKS it ends with a slash.')
param issuer string

@description('Namespace of the service account.')
param serviceAccountNamespace string = 'shop'

@description('Name of the service account.')
param serviceAccount string = 'orders'

param identityName string = 'orders'
param location string = resourceGroup().location

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: identityName
  location: location

  resource federatedCredential 'federatedIdentityCredentials' = {
    name: '${serviceAccountNamespace}-${serviceAccount}'
    properties: {
      issuer: issuer
      subject: 'system:serviceaccount:${serviceAccountNamespace}:${serviceAccount}'
      audiences: [
        'api://AzureADTokenExchange'
      ]
    }
  }
}

output clientId string = identity.properties.clientId
output tenantId string = identity.properties.tenantId
output principalId string = identity.properties.principalId // for role assignments
