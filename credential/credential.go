package credential

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/internal/redact"
)

// Credential gets access tokens for one identity, and keeps them fresh. It is safe for concurrent
// use; share it. Credentials of one [Pool] share their state, so a Credential is cheap.
type Credential struct {
	core     *core
	identity identity
	home     tenant
	user     *userSecret // held for exchanges; nil if there is no user's token
}

var _ azcore.TokenCredential = (*Credential)(nil)

// New returns a credential for the options; the environment supplies those that are empty. In a pod
// that the workload identity webhook set up, use New(nil). New sends nothing and does not read the
// token file, which may appear later.
//
// The error reports everything that is missing or malformed at once. [errors.Is] finds
// [ErrNotConfigured] in it if no part of a workload identity is configured.
func New(options *Options) (*Credential, error) {
	if options == nil {
		options = &Options{}
	}
	return resolve(options)
}

// GetToken returns an access token for the scopes: a cached one while it is valid, else one from
// Entra ID.
//
// At least one scope is required; Entra ID expects "{resource}/.default". TenantID may name another
// tenant that the options allow. Claims, a challenge decoded from base64, bypasses the cache, and
// the new token replaces the cached one. Azure SDK clients call GetToken concurrently and often: a
// hit costs about two readings of the clock, takes no lock and allocates nothing, unless it asks
// for several scopes or for a tenant that "*" allows.
//
// Every error is an [*Error]. It stops the retries of azcore's pipeline, because everything worth
// retrying has been retried.
func (c *Credential) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	k, err := c.key(&options)
	if err != nil {
		return azcore.AccessToken{}, c.explain(&options, err)
	}
	var token azcore.AccessToken
	if options.Claims == "" {
		token, err = c.core.cache.Get(ctx, k)
	} else {
		token, err = c.core.cache.Renew(ctx, k, options.Claims)
	}
	runtime.KeepAlive(c) // and so the user's token
	if err != nil {
		return azcore.AccessToken{}, c.explain(&options, err)
	}
	return token, nil
}

// key returns the cache key of the requested token, or an error if the request is invalid.
func (c *Credential) key(options *policy.TokenRequestOptions) (key, error) {
	k := key{identity: c.identity, tenant: c.home.key, cae: options.EnableCAE}
	if options.TenantID != "" {
		var err error
		if k.tenant, err = c.core.allowed.resolve(c.home, options.TenantID); err != nil {
			return key{}, redact.New().Error(err)
		}
	}
	if len(options.Scopes) == 1 {
		k.scopes = options.Scopes[0]
	} else {
		k.scopes = strings.Join(options.Scopes, " ")
	}
	if k.scopes == "" {
		return key{}, errNoScope
	}
	return k, nil
}

// Prefetch starts the exchanges for tokens that the application will need, without waiting for
// them. It does nothing for tokens that are cached and exchanges that are already under way. Each
// request must equal the client's: Azure SDK clients set EnableCAE, and a token without it is a
// different token. The error reports invalid requests; failed exchanges show in [Credential.Status]
// and in the next GetToken. Claims are ignored.
func (c *Credential) Prefetch(requests ...policy.TokenRequestOptions) error {
	var errs []error
	for _, options := range requests {
		k, err := c.key(&options)
		if err != nil {
			errs = append(errs, c.explain(&options, err))
			continue
		}
		c.core.cache.Prefetch(k)
	}
	return errors.Join(errs...)
}

// Host returns the host that receives federated tokens, with the port if it is not 443: the
// authority, or the token proxy of an identity binding.
func (c *Credential) Host() string { return c.core.client.Host() }

// TokenProxy reports whether [Credential.Host] is the token proxy of an AKS identity binding.
func (c *Credential) TokenProxy() bool { return c.core.client.TokenProxy() }

// ClientID returns the application (client) ID that the credential signs in as: the identity's, or
// the agent's.
func (c *Credential) ClientID() string { return c.identity.Value().clientID() }

// TenantID returns the identity's tenant, as the caller spelled it.
func (c *Credential) TenantID() string { return c.identity.Value().TenantID }

// Format implements [fmt.Formatter]. Every verb prints the identity, and nothing that is cached.
func (c *Credential) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "credential for %s", c.identity.Value())
}

// Invalidate drops token wherever it is still the cached one, so that the next GetToken gets a new
// one. It does nothing if token has already been replaced: two clients whose requests were refused
// with the same token cause one exchange.
func (c *Credential) Invalidate(token string) { c.core.cache.Invalidate(token) }
