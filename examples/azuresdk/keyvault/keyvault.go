// Package keyvault reads secrets from Azure Key Vault with the official client. Copy the file.
//
//	cred, err := credential.New(nil)
//	if err != nil {
//		return err
//	}
//	client, err := keyvault.New("https://shop.vault.azure.net", cred, nil)
//	if err != nil {
//		return err
//	}
//	secret, err := client.GetSecret(ctx, "database-password", "", nil) // "": the newest version
//
// The client discovers tenant and scope: the vault answers a request without a token with both. To
// use a vault of another tenant, add that tenant to credential.Options.AdditionallyAllowedTenants.
// The identity needs the role Key Vault Secrets User.
//
// # Sources
//
// https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
package keyvault

import (
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/entrafed/entrafed/credential"
)

// New returns a client for a vault's secrets. options may be nil and is not modified.
//
// After a 401, the client requests a token again. InvalidateOn401 makes it a new one, so that the
// call succeeds. Without it, the client would get the refused token from the cache.
func New(vaultURL string, cred *credential.Credential, options *azsecrets.ClientOptions) (*azsecrets.Client, error) {
	var o azsecrets.ClientOptions
	if options != nil {
		o = *options
	}
	o.PerRetryPolicies = append(o.PerRetryPolicies[:len(o.PerRetryPolicies):len(o.PerRetryPolicies)], cred.InvalidateOn401())
	return azsecrets.NewClient(vaultURL, cred, &o)
}
