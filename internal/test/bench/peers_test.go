package bench

import (
	"context"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/tokenfile"
)

// perScope turns a cache for one token into a credential: one cache per scope, as its users do. The
// caches have their default settings.
type perScope[C any] struct {
	caches   sync.Map
	newCache func(scope string) C
	get      func(ctx context.Context, cache C) (azcore.AccessToken, error)
}

func (p *perScope[C]) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	scope := options.Scopes[0]
	cache, ok := p.caches.Load(scope)
	if !ok {
		cache, _ = p.caches.LoadOrStore(scope, p.newCache(scope))
	}
	return p.get(ctx, cache.(C))
}

// plainExchange is one exchange without a cache.
func plainExchange(tb testing.TB, p place) func(ctx context.Context, scope string) (azcore.AccessToken, error) {
	options := new(exchange.ClientOptions)
	options.Transport = p.transport
	client, err := exchange.NewClient(options)
	require.NoError(tb, err)
	source := tokenfile.New(p.file)
	return func(ctx context.Context, scope string) (azcore.AccessToken, error) {
		assertion, err := source.Assertion(ctx)
		if err != nil {
			return azcore.AccessToken{}, err
		}
		return client.Exchange(ctx, exchange.Request{
			TenantID: tenantID, ClientID: clientID, Scopes: []string{scope}, Assertion: assertion,
		})
	}
}

func newAWS(tb testing.TB, p place) azcore.TokenCredential {
	fetch := plainExchange(tb, p)
	return &perScope[*aws.CredentialsCache]{
		newCache: func(scope string) *aws.CredentialsCache {
			return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
				token, err := fetch(ctx, scope)
				return aws.Credentials{
					AccessKeyID: "none", SecretAccessKey: "none", // without them it caches nothing
					SessionToken: token.Token, CanExpire: true, Expires: token.ExpiresOn,
				}, err
			}))
		},
		get: func(ctx context.Context, cache *aws.CredentialsCache) (azcore.AccessToken, error) {
			c, err := cache.Retrieve(ctx)
			return azcore.AccessToken{Token: c.SessionToken, ExpiresOn: c.Expires}, err
		},
	}
}

func newOAuth2(tb testing.TB, p place) azcore.TokenCredential {
	fetch := plainExchange(tb, p)
	return &perScope[oauth2.TokenSource]{
		newCache: func(scope string) oauth2.TokenSource {
			return oauth2.ReuseTokenSource(nil, tokenSource(func() (*oauth2.Token, error) {
				token, err := fetch(context.Background(), scope) // a TokenSource has no caller's context
				return &oauth2.Token{AccessToken: token.Token, Expiry: token.ExpiresOn}, err
			}))
		},
		get: func(_ context.Context, cache oauth2.TokenSource) (azcore.AccessToken, error) {
			t, err := cache.Token()
			if err != nil {
				return azcore.AccessToken{}, err
			}
			return azcore.AccessToken{Token: t.AccessToken, ExpiresOn: t.Expiry}, nil
		},
	}
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }
