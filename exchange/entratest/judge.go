package entratest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxLifetime is the longest lifetime of an assertion that Entra accepts. Entra writes it as
// 1.01:00:00.
const maxLifetime = 25 * time.Hour

// clockSkew is how long after its expiry or before its nbf an assertion is still accepted.
const clockSkew = 5 * time.Minute

// judge decides on a token request, in the order documented at Server. It returns an error only if
// the context ends.
func (s *Server) judge(ctx context.Context, c *call) (*refusal, error) {
	if s.RefuseRegions && regional(c.Host) {
		return &refusal{code: 100007}, nil
	}
	for _, check := range requestChecks {
		if no := check(c); no != nil {
			return no, nil
		}
	}
	if !s.strict() {
		return s.judgeLeniently(c), nil
	}
	return s.judgeStrictly(ctx, c)
}

// judgeLeniently accepts any well-formed assertion that has not expired.
func (s *Server) judgeLeniently(c *call) *refusal {
	if no := checkAssertionForm(c); no != nil {
		return no
	}
	if no := c.assertion.checkExpiry(c.now); no != nil {
		return no
	}
	if blueprint := c.assertion.client; s.issued(c.assertion) && c.assertion.subject == fmiSubject(c.tenant, blueprint, c.client) {
		c.blueprint = blueprint
	}
	return cmp.Or(s.checkGrant(c), s.checkResource(c))
}

func (s *Server) judgeStrictly(ctx context.Context, c *call) (*refusal, error) {
	who, policy, no := s.lookUp(c)
	if no != nil {
		return no, nil
	}
	if no := checkAssertionForm(c); no != nil {
		return no, nil
	}
	if no := c.assertion.checkAlgorithm(); no != nil {
		return no, nil
	}
	c.blueprint = who.blueprint
	if no, err := s.authenticate(ctx, c, who, policy); no != nil || err != nil {
		return no, err
	}
	return cmp.Or(s.checkGrant(c), s.checkResource(c), policy.access(c)), nil
}

// authenticate judges the client's assertion.
func (s *Server) authenticate(ctx context.Context, c *call, who identity, policy Policy) (*refusal, error) {
	if who.blueprint != "" {
		return s.checkBlueprintToken(c, who.blueprint), nil
	}
	if no := cmp.Or(
		who.match(c.assertion, time.Now()),
		s.checkManagedIdentity(c.assertion, policy),
		policy.federation(c.assertion.issuer),
		c.assertion.checkLifetime(),
		c.assertion.checkExpiry(c.now),
		c.assertion.checkNotBefore(c.now),
	); no != nil {
		return no, nil
	}
	if s.issued(c.assertion) {
		return nil, nil
	}
	return s.checkSignature(ctx, c)
}

// checkGrant judges the user's part of a delegated grant.
func (s *Server) checkGrant(c *call) *refusal {
	switch c.Form.Get("grant_type") {
	case grantOnBehalfOf:
		return s.checkUser(c)
	case grantAgentUser:
		return s.checkAgentUser(c)
	}
	return nil
}

func checkAssertionForm(c *call) *refusal {
	parsed, err := parseAssertion(c.Assertion)
	if err != nil {
		return &refusal{code: 50027}
	}
	c.assertion = parsed
	return parsed.checkHeader()
}

// supportedHeaders are the header members that Entra accepts (FusionAuth/fusionauth-issues#2886).
var supportedHeaders = []string{"typ", "alg", "kid", "x5t", "x5c"}

// checkHeader refuses header members and types that Entra does not accept. Kubernetes tokens have
// no typ.
func (a *assertion) checkHeader() *refusal {
	for member := range a.header {
		if !slices.Contains(supportedHeaders, member) {
			return &refusal{code: 5002726}
		}
	}
	if typ, ok := a.header["typ"]; ok && typ != "JWT" && typ != "http://openid.net/specs/jwt/1.0" {
		return &refusal{code: 5002727}
	}
	return nil
}

// checkAlgorithm accepts only RS256. Sources disagree on what else Entra accepts; its documentation
// names only RS256
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations). The
// reply was recorded in 2021, for ES384.
func (a *assertion) checkAlgorithm() *refusal {
	if a.text("alg") != "RS256" {
		return &refusal{code: 5002738}
	}
	return nil
}

// checkLifetime requires iat (MicrosoftDocs/azure-docs#86915). It also requires exp: without one,
// the lifetime has no bound.
func (a *assertion) checkLifetime() *refusal {
	if a.issued.IsZero() || a.expiry.IsZero() || a.expiry.Sub(a.issued) > maxLifetime {
		return &refusal{code: 70023}
	}
	return nil
}

// entraAudiences are the audiences that Entra accepts in tokens it issued: one per cloud, and the
// application ID that v2.0 tokens of the public cloud have.
var entraAudiences = []string{exchangeAudience, exchangeAudience + "USGov", exchangeAudience + "China", exchangeAppID}

// checkManagedIdentity requires that a token issued by Entra belongs to a managed identity, which
// the claim xms_mirid shows. A token without idtyp passes, such as one from a [Cluster] that has
// Entra's issuer. A token of this server counts as a managed identity's, unless [Policy.NoChaining]
// forbids it.
func (s *Server) checkManagedIdentity(a *assertion, policy Policy) *refusal {
	ours := s.issued(a)
	switch {
	case !issuedByEntra(a.issuer):
		return nil
	case a.kind == "user" || a.delegated:
		return &refusal{code: 700229}
	case ours && policy.NoChaining:
		return &refusal{code: 700231}
	case a.kind == "app" && a.managedIdentity == "" && !ours:
		return &refusal{code: 700226}
	case !a.isForExchange():
		return &refusal{code: 700227}
	}
	return nil
}

func (a *assertion) checkExpiry(now time.Time) *refusal {
	if !a.expiry.IsZero() && now.After(a.expiry.Add(clockSkew)) {
		return &refusal{code: 700024}
	}
	return nil
}

func (a *assertion) checkNotBefore(now time.Time) *refusal {
	if now.Add(clockSkew).Before(a.notBefore) {
		return &refusal{code: 700024}
	}
	return nil
}

// checkSignature verifies the signature with the issuer's keys.
func (s *Server) checkSignature(ctx context.Context, c *call) (*refusal, error) {
	keys, err := s.keysOf(ctx, c.assertion.issuer, c.assertion.text("kid"), time.Now())
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errUnreachable):
		return &refusal{code: 90061, cause: err}, nil
	case err != nil:
		return &refusal{code: 50166, cause: err}, nil
	}
	switch {
	case len(keys) == 0:
		return &refusal{code: 7000272}, nil
	case slices.ContainsFunc(keys, c.assertion.signedBy):
		return nil, nil
	case len(keys) > 1:
		return &refusal{code: 7000274, cause: fmt.Errorf("JWKS: %d keys have the kid %q, but none verifies the signature", len(keys), c.assertion.text("kid"))}, nil
	}
	return &refusal{code: 7000274}, nil
}
