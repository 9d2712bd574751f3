// Package blobstorage reads and writes blobs of Azure Storage with the official client. Copy the
// file.
//
//	cred, err := credential.New(nil)
//	if err != nil {
//		return err
//	}
//	client, err := blobstorage.New("https://shop.blob.core.windows.net", cred, nil)
//	if err != nil {
//		return err
//	}
//	_, err = client.UploadBuffer(ctx, "orders", "1.json", data, nil)
//
// The identity needs the role Storage Blob Data Contributor, or Storage Blob Data Reader to read.
// Owner is not enough. A role assignment takes some minutes to take effect. Until then, the service
// answers 403, not 401.
//
// # Sources
//
// https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
package blobstorage

import (
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"github.com/entrafed/entrafed/credential"
)

// New returns a client for an account's blobs. options may be nil and is not modified. With
// options.Audience, such as "https://shop.blob.core.windows.net", tokens are for that account only.
func New(accountURL string, cred *credential.Credential, options *azblob.ClientOptions) (*azblob.Client, error) {
	var o azblob.ClientOptions
	if options != nil {
		o = *options
	}
	o.PerRetryPolicies = append(o.PerRetryPolicies[:len(o.PerRetryPolicies):len(o.PerRetryPolicies)], cred.InvalidateOn401())
	return azblob.NewClient(accountURL, cred, &o)
}
