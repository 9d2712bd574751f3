package bench

import (
	"context"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
)

const (
	tenantID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	clientID = "11111111-2222-4333-8444-555555555555"
	vault    = "https://vault.azure.net/.default"
	storage  = "https://storage.azure.com/.default"
)

// place is the environment in which a candidate signs in.
type place struct {
	transport policy.Transporter
	file      string // with the federated token
	maxTokens int    // zero: the default; for those that have a bound
}

// candidate is one library in the comparison.
type candidate struct {
	name string

	// signsIn reports whether the candidate can sign in to Entra ID. The others cache one token
	// each: they run in situations about caching, one cache per scope, on top of this library's
	// exchange.
	signsIn bool

	// locks reports whether the candidate holds a mutex during an exchange; see queued.
	locks bool

	open func(tb testing.TB, p place) azcore.TokenCredential

	// act returns an actor, for programs that act for many identities. The caches have none.
	act func(tb testing.TB, transport policy.Transporter) actor
}

var (
	azid = candidate{"azidentity", true, true, func(tb testing.TB, p place) azcore.TokenCredential {
		options := &azidentity.WorkloadIdentityCredentialOptions{
			ClientID: clientID, TenantID: tenantID, TokenFilePath: p.file, AdditionallyAllowedTenants: []string{"*"},
		}
		options.Transport = p.transport
		c, err := azidentity.NewWorkloadIdentityCredential(options)
		require.NoError(tb, err)
		return c
	}, actAzidentity}
	ours = candidate{"entrafed", true, false, func(tb testing.TB, p place) azcore.TokenCredential {
		options := &credential.Options{
			ClientID: clientID, TenantID: tenantID, TokenFilePath: p.file, AdditionallyAllowedTenants: []string{"*"}, MaxTokens: p.maxTokens,
		}
		options.Transport = p.transport
		c, err := credential.New(options)
		require.NoError(tb, err)
		return c
	}, actPool}
	awsCache    = candidate{"aws", false, false, newAWS, nil}
	oauth2Cache = candidate{"oauth2", false, true, newOAuth2, nil}

	candidates = []candidate{azid, ours, awsCache, oauth2Cache}
)

// scope returns an Azure SDK client's request, but without CAE, which this comparison is not about.
func scope(s string) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{s}}
}

// queued puts a channel in front of a candidate that holds a mutex during an exchange. In a bubble,
// time stands still while a goroutine waits for a mutex, but not while it waits for a channel.
// Callers queue up either way. Situations that measure the mutex itself run in real time, without
// queued.
func queued(c candidate, cred azcore.TokenCredential) azcore.TokenCredential {
	if !c.locks {
		return cred
	}
	return &queue{cred, make(chan struct{}, 1)}
}

type queue struct {
	azcore.TokenCredential
	turn chan struct{}
}

func (q *queue) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	return q.TokenCredential.GetToken(ctx, options)
}
