package credential

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unique"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/internal/problems"
	"github.com/entrafed/entrafed/internal/redact"
)

// derivation describes how a token is derived from an identity's federated token. The zero value
// stands for the identity's own token. For agents, see the pages around
// https://learn.microsoft.com/entra/agent-id/identity-platform/agent-autonomous-app-oauth-flow.
type derivation struct {
	fmiPath  string // the agent identity for which the identity, a blueprint, requests a token
	agent    string // the agent identity that signs in with such a token
	user     userID // on whose behalf
	username string // the agent's user account
}

// clientID returns the client ID that the principal signs in with.
func (p principal) clientID() string { return cmp.Or(p.agent, p.ClientID) }

// as returns the same identity with another derivation.
func (p principal) as(d derivation) identity { return unique.Make(principal{p.Identity, d}) }

// grant returns the grant_type of the principal's requests.
func (d derivation) grant() string {
	r := exchange.Request{Username: d.username}
	if d.user != (userID{}) {
		r.UserAssertion = redact.Mark // any user's has the same grant
	}
	return r.Grant()
}

// step names an exchange whose token is only the means to another.
func (d derivation) step() string {
	switch {
	case d.fmiPath != "":
		return blueprintStep
	case d.agent != "":
		return accountStep
	}
	return ""
}

// blueprint returns the principal whose token an agent presents: its blueprint.
func (p principal) blueprint() identity { return p.as(derivation{fmiPath: p.agent}) }

// account returns the principal whose token an agent's user account also presents: the agent
// itself.
func (p principal) account() identity { return p.as(derivation{agent: p.agent}) }

// hasUser reports whether the token is for a user.
func (d derivation) hasUser() bool { return d.user != userID{} || d.username != "" }

// Agent returns a credential for an agent identity (Microsoft Entra Agent ID). c must be the
// credential of the agent's blueprint, whose federated credential matches the federated token. The
// blueprint's token for the agent is cached and shared by all of the agent's requests. Credentials
// of one agent share everything that credentials of one identity share, so there is no need to keep
// one. Agent sends nothing.
func (c *Credential) Agent(clientID string) (*Credential, error) {
	clientID = strings.TrimSpace(clientID)
	var errs problems.List
	if c.identity.Value().derivation != (derivation{}) {
		errs.Addf("Agent needs the credential of a blueprint, but this is a %s", c)
	}
	if clientID == "" {
		errs.Addf("the agent's client ID is empty")
	}
	Identity{ClientID: clientID}.check(&errs, "", "the agent's client ID")
	if err := errs.Err("credential"); err != nil {
		return nil, err
	}
	return c.derive(derivation{agent: clientID}, nil), nil
}

// OnBehalfOf returns a credential that acts for a user (the on-behalf-of flow). userToken is the
// user's access token for this application or, if c belongs to an agent, for the agent's blueprint.
// Scopes are the resource's delegated permissions, or its /.default.
//
// The cache identifies the user by a hash of userToken. Credentials for equal tokens share
// everything that credentials of one identity share, so create one for each request. The user's
// token lives as long as a credential for it; access tokens stay cached until they expire.
//
// If the user must interact, for example for multi-factor authentication, GetToken's error wraps an
// [*exchange.Error] with the code "interaction_required" and the Claims for the user's client.
func (c *Credential) OnBehalfOf(userToken string) (*Credential, error) {
	userToken = strings.TrimSpace(userToken)
	d := c.identity.Value().derivation
	switch {
	case d.hasUser():
		return nil, errors.New("credential: OnBehalfOf needs the credential of an application or agent, but this one already acts for a user")
	case userToken == "":
		return nil, errors.New("credential: the user's token is empty")
	case strings.ContainsAny(userToken, " \t\r\n"):
		return nil, errors.New(`credential: the user's token contains white space: pass what follows "Bearer " in the Authorization header`)
	}
	var user *userSecret
	d.user, user = c.core.users.hold(userToken)
	return c.derive(d, user), nil
}

// AsUser returns a credential for an agent's own user account. username is its user principal name.
// c must be the agent's credential. The tokens behind it, the blueprint's for the agent and the
// agent's for token exchange, are cached and shared.
func (c *Credential) AsUser(username string) (*Credential, error) {
	username = strings.TrimSpace(username)
	d := c.identity.Value().derivation
	switch {
	case d.agent == "":
		return nil, errors.New("credential: AsUser needs the credential of an agent: call Agent first")
	case d.hasUser():
		return nil, errors.New("credential: AsUser needs the credential of an agent, but this one already acts for a user")
	case username == "":
		return nil, errors.New("credential: the user account's name is empty")
	}
	d.username = username
	return c.derive(d, nil), nil
}

// String returns the prefix for an identity's name in messages.
func (d derivation) String() string {
	var s string
	switch {
	case d.username != "":
		s = "the user account of "
	case d.hasUser():
		s = "a user of "
	}
	if d.agent != "" {
		s += fmt.Sprintf("agent %q of ", clean(d.agent))
	}
	return s
}

// derive returns a credential for the same identity with another derivation.
func (c *Credential) derive(d derivation, user *userSecret) *Credential {
	return &Credential{core: c.core, identity: c.identity.Value().as(d), home: c.home, user: user}
}

type staleKey struct{}

// Assertion returns the credential's token for token exchange, which another credential can
// present: set [Options.Assertion] to this method. The other application needs a federated
// credential for this identity, as Microsoft documents it for managed identities
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity).
//
// Try it before you rely on it: on AKS, Entra ID refused such a token, because it was itself
// obtained with a federated credential (AADSTS700231; Azure/kars@e3d6135,
// docs/architecture/entra-agent-id/01-runtime-token-flow.md). If it refuses yours, register the
// first token's issuer and subject with the other application and present that token.
//
// The scope is that of the authority's cloud. A token that Entra ID refused as stale is replaced.
// Errors are as for [Credential.GetToken]. The other credential waits at most 30 s for the token.
// If its callers give up, the exchange continues.
func (c *Credential) Assertion(ctx context.Context) (string, error) {
	options := policy.TokenRequestOptions{Scopes: []string{hint.ExchangeScope(c.Host())}}
	k, err := c.key(&options)
	if err != nil {
		return "", c.explain(&options, err)
	}
	if stale, ok := ctx.Value(staleKey{}).(string); ok {
		c.Invalidate(stale)
	}
	token, err := c.core.step(ctx, k)
	runtime.KeepAlive(c)
	return token, err
}

// step returns the token of k for another exchange. It does not refresh a valid token early,
// because the token obtained with it lives just as long.
func (c *core) step(ctx context.Context, k key) (string, error) {
	token, ok := c.cache.Cached(k)
	if !ok {
		var err error
		if token, err = c.cache.Get(ctx, k); err != nil {
			return "", &Error{asked: asked(k.scopes, c.spelling(k), k.identity.Value()), step: k.identity.Value().step(), at: c.endpoint(), err: err}
		}
	}
	return token.Token, nil
}

// stepKey returns the key of a step before k: somebody's token for token exchange in k's tenant.
func (c *core) stepKey(k key, whose identity) key {
	return key{identity: whose, tenant: k.tenant, scopes: hint.ExchangeScope(c.client.Host())}
}
