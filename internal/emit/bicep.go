package emit

const bicepText = `// The user-assigned managed identity that the workload signs in as, which exists already, and its trust in the workload's
// federated token: az deployment group create --resource-group GROUP --template-file FILE --parameters identityName=NAME
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

// nameOfIdentity describes the one thing that the workload does not know.
func nameOfIdentity(wl Workload) string {
	return "Name of the user-assigned managed identity with client ID " + wl.clientID() + "."
}
