package emit

const bicepText = `// Makes an existing user-assigned managed identity trust the workload's federated token:
//   az deployment group create --resource-group GROUP --template-file FILE --parameters identityName=NAME
targetScope = 'resourceGroup'

@description(%[1]s)
param identityName string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName

  resource federatedCredential 'federatedIdentityCredentials' = {
    name: %[2]s
    properties: {
      issuer: %[3]s
      subject: %[4]s
      audiences: [
        %[5]s
      ]
    }
  }
}
`

func bicep(wl Workload) (string, error) {
	return fill(bicepText, bicepString, nameOfIdentity(wl), credentialName(wl), wl.Issuer, wl.Subject, wl.Audience), nil
}

// nameOfIdentity describes the parameter for the identity's name, which the workload does not know.
func nameOfIdentity(wl Workload) string {
	return "Name of the user-assigned managed identity with client ID " + wl.clientID() + "."
}
