package credential

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/cache"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/redact"
)

// Credential gets access tokens for one identity, and keeps them fresh. It is safe for concurrent use; share it.
type Credential struct {
	clientID string
	tenants  tenants
	source   source
	client   *exchange.Client
	binding  bool // the client is an identity binding's
	outages  *outages
	events   events
	cache    *cache.Cache[key]
}

var _ azcore.TokenCredential = (*Credential)(nil)

// key is what tokens are cached by.
type key struct {
	tenant tenantKey
	scopes string // as asked for, separated by spaces
	cae    bool
}

// shown returns a key's tenant, in lower case, and scopes as events and status show them.
func (c *Credential) shown(k key) (tenant string, scopes []string) {
	return strings.ToLower(clean(c.tenants.spelling(k.tenant))), strings.Split(clean(k.scopes), " ")
}

// clean removes from a setting, or from what was asked for, what looks like a token: one may have been given by mistake.
func clean(s string) string { return redact.New("").Clean(s) }

// New returns a credential made of the options and, where they are empty, the environment. New(nil) is right in a pod that
// the workload identity webhook set up. It sends nothing and does not read the token file, which may appear later.
//
// The error reports everything that is missing or malformed at once. [errors.Is] finds [ErrNotConfigured] in it when the
// environment has nothing of a workload identity.
func New(options *Options) (*Credential, error) {
	if options == nil {
		options = &Options{}
	}
	s, err := resolve(options)
	if err != nil {
		return nil, err
	}
	c := &Credential{
		clientID: s.clientID,
		tenants:  s.tenants,
		source:   s.source,
		client:   s.client,
		binding:  s.binding,
		outages:  newOutages(options.PropagationTimeout),
		events:   newEvents(options.Logger, options.OnExchange),
	}
	c.cache = cache.New(c.fetch, &cache.Options{
		MaxTokens:  options.MaxTokens,
		Timeout:    max(exchangeTimeout, options.PropagationTimeout+exchangeTimeout/2),
		RetryAfter: pauseAsked,
	})
	c.traceWaits(options.TracingProvider)
	return c, nil
}

// GetToken returns an access token for the scopes: a cached one while it is valid, else one from Entra ID.
//
// At least one scope is required; Entra ID wants "{resource}/.default". TenantID may name another tenant that
// [Options.AdditionallyAllowedTenants] allows. Claims, a challenge decoded from base64, bypasses the cache, and its token
// replaces the cached one. Azure SDK clients call this method, concurrently and often: a hit costs about two readings of
// the clock, takes no lock and allocates nothing, several scopes or a tenant that "*" allows aside.
//
// The error is one line, and %+v prints it as a block. It says what was asked for, what went wrong and, where that is known, how
// to mend it. [errors.As] finds an [*exchange.Error] in it if Entra ID refused; [errors.Is] finds the error of the context, or of the
// token file. It stops the retries of azcore's pipeline, because what could be retried has been.
func (c *Credential) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	k, err := c.key(&options)
	if err != nil {
		return azcore.AccessToken{}, c.explain(&options, err)
	}
	var token azcore.AccessToken
	if options.Claims == "" {
		token, err = c.cache.Get(ctx, k)
	} else {
		token, err = c.cache.Renew(ctx, k, options.Claims)
	}
	if err != nil {
		return azcore.AccessToken{}, c.explain(&options, err)
	}
	return token, nil
}

// key returns what the request's token is cached by, or why there can be none.
func (c *Credential) key(options *policy.TokenRequestOptions) (key, error) {
	k := key{tenant: c.tenants.home.key, cae: options.EnableCAE}
	if options.TenantID != "" {
		var err error
		if k.tenant, err = c.tenants.resolve(options.TenantID); err != nil {
			return key{}, redact.New("").Error(err)
		}
	}
	if len(options.Scopes) == 1 {
		k.scopes = options.Scopes[0]
	} else {
		k.scopes = strings.Join(options.Scopes, " ")
	}
	if k.scopes == "" {
		return key{}, errors.New("at least one scope is required")
	}
	return k, nil
}

// Prefetch starts the exchanges for tokens that the application knows it will need, and waits for none of them. It does nothing
// for what is cached or under way already. A request must be as the client's will be: Azure SDK clients set EnableCAE, and a token
// without it is another one. The error tells of requests that cannot be made; failures of the exchanges show in
// [Credential.Status] and in the next GetToken. Claims are ignored.
func (c *Credential) Prefetch(requests ...policy.TokenRequestOptions) error {
	var errs []error
	for _, options := range requests {
		k, err := c.key(&options)
		if err != nil {
			errs = append(errs, c.explain(&options, err))
			continue
		}
		c.cache.Prefetch(k)
	}
	return errors.Join(errs...)
}

// Host returns the host, and the port if it is not 443, that federated tokens are sent to: the authority's, or that of the
// token proxy of an identity binding.
func (c *Credential) Host() string { return c.client.Host() }

// Format implements [fmt.Formatter] for every verb: the client ID and the tenant, and nothing of what is cached.
func (c *Credential) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "credential for client ID %q in tenant %q", clean(c.clientID), clean(c.tenants.home.spelling))
}

// Invalidate drops token if it is still the cached one, wherever it is cached: the next GetToken gets a new one. A token that
// has been replaced already does no harm, so two clients that were refused the same token cause one exchange.
func (c *Credential) Invalidate(token string) { c.cache.Invalidate(token) }
