package credential

import (
	"cmp"
	"errors"
	"strings"
	"unique"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/cache"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/problems"
	"github.com/entrafed/entrafed/internal/redact"
)

// core is the state that credentials share: a client, a cache, budgets and hooks for the identities
// of a [Pool], or for the one identity of [New].
type core struct {
	source  source
	users   users
	client  *exchange.Client
	allowed *allowed
	budgets *budgets
	events  events
	cache   *cache.Cache[key]
	// patient is for a key whose last exchange failed. It is zero if the user set retries.
	patient policy.RetryOptions
}

// key is the cache key of a token: everything that determines whose token it is.
type key struct {
	identity identity
	tenant   tenantKey
	scopes   string // as asked for, separated by spaces
	cae      bool
}

// Group implements [cache.Grouped]. Keys derived from an identity belong to its group.
func (k key) Group() any { return k.identity.Value().Identity }

// newCore creates the core. It adds to errs the problems that prevent the client from being
// created.
func newCore(o *Options, from source, allowed *allowed, binding *exchange.IdentityBinding, bindingName string, errs *problems.List) *core {
	c := &core{
		source:  from,
		client:  newClient(o, binding, bindingName, errs),
		allowed: allowed,
		budgets: newBudgets(o.PropagationTimeout),
		events:  newEvents(o.Logger, o.OnExchange),
		patient: patientRetries(o.Retry),
	}
	c.cache = cache.New(c.fetch, &cache.Options{
		MaxTokens:  o.MaxTokens,
		Timeout:    max(exchangeTimeout, min(o.PropagationTimeout, maxPropagationTimeout)+exchangeTimeout/2),
		RetryAfter: pauseAsked,
		OnWait:     c.traceWaits(o.TracingProvider),
	})
	return c
}

// patientRetries returns the HTTP retry options for a key whose last exchange failed: no retries,
// because during an outage they only multiply the requests. Options that the user has set win; then
// it returns the zero value.
func patientRetries(o policy.RetryOptions) policy.RetryOptions {
	if o.MaxRetries != 0 {
		return policy.RetryOptions{}
	}
	o.MaxRetries = -1
	// Package exchange interprets TryTimeout the same way.
	o.TryTimeout = max(cmp.Or(o.TryTimeout, exchange.DefaultTryTimeout), 0)
	return o
}

// credential returns a credential for the identity.
func (c *core) credential(id Identity) *Credential {
	return &Credential{core: c, identity: unique.Make(principal{Identity: id}), home: newTenant(id.TenantID)}
}

// request returns the request for a key, without the tokens that it presents.
func (c *core) request(k key) exchange.Request {
	p := k.identity.Value()
	return exchange.Request{
		TenantID:  c.spelling(k),
		ClientID:  p.clientID(),
		Scopes:    strings.Split(k.scopes, " "),
		EnableCAE: k.cae,
		FMIPath:   p.fmiPath,
		Username:  p.username,
	}
}

// spelling returns the key's tenant as requests spell it.
func (c *core) spelling(k key) string {
	if home := k.identity.Value().TenantID; newTenant(home).key == k.tenant {
		return home
	}
	return c.allowed.spelling(k.tenant)
}

// names is a key as events and status show it. Anything that looks like a token is removed.
type names struct {
	client, subject, agent, fmiPath, tenant, grant string
	user                                           bool
	scopes                                         []string
}

func (c *core) names(k key) names {
	p := k.identity.Value()
	return names{
		client: clean(p.ClientID), subject: clean(p.Subject), agent: clean(p.agent), fmiPath: clean(p.fmiPath),
		tenant: strings.ToLower(clean(c.spelling(k))), grant: p.grant(), user: p.hasUser(), scopes: strings.Split(clean(k.scopes), " "),
	}
}

// forget drops everything that is kept for an identity.
func (c *core) forget(id Identity) {
	for _, s := range c.cache.StatusOf(id) {
		c.budgets.of(s.Key).reset()
	}
	c.cache.Forget(id)
}

// clean removes anything that looks like a token from a setting or a request: a caller may have
// passed one by mistake.
func clean(s string) string { return redact.Setting(s) }

var errNoScope = errors.New("TokenRequestOptions.Scopes is empty: at least one scope is required, such as https://vault.azure.net/.default")
