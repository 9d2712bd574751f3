package credential

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/problems"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/tokenfile"
)

// Pool makes credentials for many identities, such as those of the tenants that a controller acts
// for. They share one client and one bounded cache, so a credential per reconcile costs nothing.
// Failures are remembered per key, so one tenant's failures do not affect another. Create a Pool
// with [NewPool]. It is safe for concurrent use.
//
// Nothing runs between exchanges. An unused identity takes up no more than its place in the cache,
// which is bounded.
type Pool struct{ core *core }

// PoolOptions configure a [Pool]. Assertion is required.
type PoolOptions struct {
	// ClientOptions are as in [Options]. The authority is Cloud.ActiveDirectoryAuthorityHost, then
	// AZURE_AUTHORITY_HOST, then the public cloud's. The region comes from
	// AZURE_REGIONAL_AUTHORITY_NAME.
	azcore.ClientOptions

	// Assertion returns the identity's federated token. It is called for each exchange, from
	// several goroutines at once, so it need not cache. Its context ends when the exchange times
	// out. It carries no values from a caller of GetToken, because an exchange belongs to no
	// caller. A token whose subject is not the identity's is never sent. Errors are wrapped like
	// those of [Options.Assertion].
	Assertion func(ctx context.Context, id Identity) (string, error)

	// AdditionallyAllowedTenants are tenants other than the identity's that callers of GetToken may
	// name, for example because of a vault's challenge. "*" allows any.
	AdditionallyAllowedTenants []string

	// IdentityBinding sends token requests to the token proxy of an AKS identity binding. If it is
	// nil, they go to Entra ID, whatever the environment says.
	IdentityBinding *exchange.IdentityBinding

	// PropagationTimeout, MaxTokens, Logger and OnExchange are as in [Options], for all identities
	// together.
	PropagationTimeout time.Duration
	MaxTokens          int
	Logger             *slog.Logger
	OnExchange         func(ExchangeEvent)
}

// NewPool returns a pool without identities. It sends nothing, and reads no file except the CA of
// an identity binding. Its error reports everything that is missing or malformed.
func NewPool(options *PoolOptions) (*Pool, error) {
	if options == nil {
		options = &PoolOptions{}
	}
	var errs problems.List
	if options.Assertion == nil {
		errs.Addf("PoolOptions.Assertion is not set: set it to a function that returns an identity's federated token")
	}
	common := &Options{
		ClientOptions: options.ClientOptions, PropagationTimeout: options.PropagationTimeout, MaxTokens: options.MaxTokens,
		Logger: options.Logger, OnExchange: options.OnExchange,
	}
	c := newCore(common, source{name: "PoolOptions.Assertion", assertion: assertionOf(options.Assertion)},
		newAllowed("PoolOptions.AdditionallyAllowedTenants", options.AdditionallyAllowedTenants, &errs), options.IdentityBinding, "PoolOptions.IdentityBinding", &errs)
	if err := errs.Err("credential"); err != nil {
		return nil, err
	}
	return &Pool{c}, nil
}

// For returns a credential for the identity. It is cheap: credentials of equal identities share
// tokens, failures, pauses and exchanges under way, so there is no need to keep one. It sends
// nothing. The error reports missing and malformed fields; the environment does not supply any.
func (p *Pool) For(id Identity) (*Credential, error) {
	if id.TenantID == "" || id.ClientID == "" || strings.TrimSpace(id.Subject) == "" || !plain(id.ClientID) || !plain(id.TenantID) {
		if err := id.problems(); err != nil {
			return nil, err
		}
	}
	return p.core.credential(id), nil
}

// plain reports whether s has only the characters of a GUID. Most IDs do, and need no further
// check.
func plain(s string) bool {
	return strings.Trim(s, "0123456789abcdefABCDEF-") == ""
}

func (id Identity) problems() error {
	var errs problems.List
	for _, field := range []struct{ name, value string }{
		{"TenantID", id.TenantID}, {"ClientID", id.ClientID}, {"Subject", id.Subject},
	} {
		if strings.TrimSpace(field.value) == "" {
			errs.Addf("Identity.%s is empty", field.name)
		}
	}
	id.check(&errs, "Identity.TenantID", "Identity.ClientID")
	return errs.Err("credential")
}

// Forget drops the identity's tokens and the memory of its failures. Exchanges under way go on, but
// their tokens are not kept.
func (p *Pool) Forget(id Identity) { p.core.forget(id) }

// Status returns the state of every cached key of every identity, as [Credential.Status] does.
func (p *Pool) Status() []KeyStatus { return p.core.status(p.core.cache.Status()) }

// assertionOf reads an identity's federated token and rejects one with another subject: the tokens
// cached for an identity must be its own.
func assertionOf(assertion func(context.Context, Identity) (string, error)) func(context.Context, Identity) (string, error) {
	return func(ctx context.Context, id Identity) (string, error) {
		raw, err := assertion(ctx, id)
		raw, err = assertionResult("PoolOptions.Assertion", raw, err)
		if err != nil {
			return "", err
		}
		token, err := tokenfile.Parse(raw)
		if err != nil {
			return "", fmt.Errorf("PoolOptions.Assertion did not return a federated token: %w", err)
		}
		if token.Subject != id.Subject {
			return "", fmt.Errorf("PoolOptions.Assertion returned a token with subject %q for the identity with subject %q, so the token was not sent",
				redact.Clip(clean(token.Subject), redact.MaxName), redact.Clip(clean(id.Subject), redact.MaxName))
		}
		return raw, nil
	}
}
