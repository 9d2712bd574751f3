// Package chain adds entrafed to azidentity's chains. In a pod with a workload identity, the chain
// signs in with it. Anywhere else, the chain tries its next credential. Copy the file.
//
//	workload, err := chain.New(nil)
//	if err != nil {
//		return err // half a configuration must not be skipped silently
//	}
//	developer, err := azidentity.NewAzureCLICredential(nil)
//	if err != nil {
//		return err
//	}
//	cred, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{workload, developer}, nil)
//
// The chain returns its own error. The text includes its members' errors, but errors.As finds no
// *exchange.Error. A program that needs one can do without the chain: if credential.New returns
// credential.ErrNotConfigured, use another credential.
//
// # Sources
//
// When a chain tries its next member, and that it stays with the first that succeeds:
// https://pkg.go.dev/github.com/Azure/azure-sdk-for-go/sdk/azidentity#NewCredentialUnavailableError
// and https://aka.ms/azsdk/go/identity/credential-chains#chainedtokencredential-overview.
package chain

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/entrafed/entrafed/credential"
)

// New returns [credential.New]'s credential. If no workload identity is configured, it returns a
// credential that makes the chain try its next member. options may be nil. New fails if the
// configuration is present but wrong. A chain that skipped this member would sign in as another
// identity, or fail with another identity's error.
//
// The credential is safe for concurrent use.
func New(options *credential.Options) (azcore.TokenCredential, error) {
	cred, err := credential.New(options)
	switch {
	case err == nil:
		return cred, nil
	case errors.Is(err, credential.ErrNotConfigured):
		return &unavailable{reason: err.Error()}, nil
	default:
		return nil, err
	}
}

// unavailable fails every GetToken. A process's environment does not change, so neither does the
// reason.
type unavailable struct{ reason string }

// GetToken returns the error that makes a chain try its next member. The chain shows the reason if
// all members fail.
func (u *unavailable) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, azidentity.NewCredentialUnavailableError(u.reason)
}
