// Package chain makes a place for entrafed in azidentity's chains: in a pod with a workload identity it signs in with that, and
// anywhere else the chain goes on to its next credential. Copy the file.
//
//	workload, err := chain.New(nil)
//	if err != nil {
//		return err // a workload identity that is half configured: nothing to skip in silence
//	}
//	developer, err := azidentity.NewAzureCLICredential(nil)
//	if err != nil {
//		return err
//	}
//	cred, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{workload, developer}, nil)
//
// The chain makes an error of its own of its members' errors: their text is in it, but errors.As finds no *exchange.Error.
// Where a program wants to know, it can do without the chain: credential.New's error is credential.ErrNotConfigured where
// another credential is due.
//
// # Sources
//
// What makes a chain go on, and that it stays with its first member that succeeded:
// https://pkg.go.dev/github.com/Azure/azure-sdk-for-go/sdk/azidentity#NewCredentialUnavailableError and
// https://aka.ms/azsdk/go/identity/credential-chains#chainedtokencredential-overview.
package chain

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/entrafed/entrafed/credential"
)

// New returns [credential.New]'s credential, or, where no workload identity is configured, one that sends the chain on to its
// next member. Options may be nil. The error is of a configuration that is there and wrong; a chain without this member would
// then sign in as somebody else, or fail with that somebody's error.
//
// What it returns is safe for concurrent use.
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

// unavailable is what the environment of the process made it: it does not change while that runs.
type unavailable struct{ reason string }

// GetToken returns the one kind of error after which a chain goes on. Its text shows when all members have failed.
func (u *unavailable) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, azidentity.NewCredentialUnavailableError(u.reason)
}
