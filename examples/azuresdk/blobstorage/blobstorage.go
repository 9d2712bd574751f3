// Package blobstorage reads and writes blobs of Azure Storage with the official client. Copy the file.
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
// The identity needs the role Storage Blob Data Contributor, or Reader to read; Owner is not enough. A role is in effect some
// minutes after it was assigned, and the refusal until then is a 403, not a 401.
//
// # Sources
//
// https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
package blobstorage

import (
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"github.com/entrafed/entrafed/credential"
)

// New returns a client for an account's blobs. Options may be nil; they are not changed. With Options.Audience, such as
// "https://shop.blob.core.windows.net", tokens are for that account alone.
func New(accountURL string, cred *credential.Credential, options *azblob.ClientOptions) (*azblob.Client, error) {
	var o azblob.ClientOptions
	if options != nil {
		o = *options
	}
	o.PerRetryPolicies = append(o.PerRetryPolicies[:len(o.PerRetryPolicies):len(o.PerRetryPolicies)], cred.InvalidateOn401())
	return azblob.NewClient(accountURL, cred, &o)
}
