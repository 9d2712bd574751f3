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
// The client finds out tenant and scope by itself: the vault tells them when it is asked without a token. For a vault of another
// tenant, name that in credential.Options.AdditionallyAllowedTenants. The identity needs the role Key Vault Secrets User.
//
// # Sources
//
// https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
package keyvault

import (
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/entrafed/entrafed/credential"
)

// New returns a client for a vault's secrets. Options may be nil; they are not changed.
//
// With InvalidateOn401 a token that the vault refuses is replaced before the client asks for one again, which it does after
// every 401: the call succeeds. Without, the client would get the cached one.
func New(vaultURL string, cred *credential.Credential, options *azsecrets.ClientOptions) (*azsecrets.Client, error) {
	var o azsecrets.ClientOptions
	if options != nil {
		o = *options
	}
	o.PerRetryPolicies = append(o.PerRetryPolicies[:len(o.PerRetryPolicies):len(o.PerRetryPolicies)], cred.InvalidateOn401())
	return azsecrets.NewClient(vaultURL, cred, &o)
}
