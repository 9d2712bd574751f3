package entratest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// maxLifetime is what Entra takes as 24 hours: it writes the bound as 1.01:00:00.
const maxLifetime = 25 * time.Hour

// judge decides on a token request, in the order that the comment of Server gives. Its error is that of a context that ended.
func (s *Server) judge(ctx context.Context, c *call) (*refusal, error) {
	if s.RefuseRegions && regional(c.Host) {
		return &refusal{code: 100007}, nil
	}
	for _, object := range requestChecks {
		if no := object(c); no != nil {
			return no, nil
		}
	}
	if !s.strict() {
		return cmp.Or(judgeLeniently(c), s.checkResource(c)), nil
	}
	return s.judgeStrictly(ctx, c)
}

// judgeLeniently takes everything that looks like an assertion and has not expired.
func judgeLeniently(c *call) *refusal {
	if no := checkAssertionForm(c); no != nil {
		return no
	}
	return c.assertion.checkExpiry(c.now)
}

func (s *Server) judgeStrictly(ctx context.Context, c *call) (*refusal, error) {
	who, policy, no := s.lookUp(c)
	if no != nil {
		return no, nil
	}
	if no := checkAssertionForm(c); no != nil {
		return no, nil
	}
	if no := cmp.Or(
		c.assertion.checkAlgorithm(),
		who.match(c.assertion, time.Now()),
		c.assertion.checkManagedIdentity(),
		policy.federation(c.assertion.issuer),
		c.assertion.checkLifetime(),
		c.assertion.checkExpiry(c.now),
		c.assertion.checkNotBefore(c.now),
	); no != nil {
		return no, nil
	}
	if no, err := s.checkSignature(ctx, c); no != nil || err != nil {
		return no, err
	}
	return cmp.Or(s.checkResource(c), policy.access(c.ClientID)), nil
}

// checkAlgorithm refuses with the reply recorded in 2021 for ES384. What else than RS256 Entra takes is told differently in
// different places; its documents name RS256 alone
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations).
func (a *assertion) checkAlgorithm() *refusal {
	if a.text("alg") != "RS256" {
		return &refusal{code: 5002738}
	}
	return nil
}

// checkLifetime wants iat (MicrosoftDocs/azure-docs#86915). That it wants exp follows: without it no lifetime is bounded.
func (a *assertion) checkLifetime() *refusal {
	if a.issued.IsZero() || a.expiry.IsZero() || a.expiry.Sub(a.issued) > maxLifetime {
		return &refusal{code: 70023}
	}
	return nil
}

// entraAudiences are those that Entra takes in a token of its own; the last two are for national clouds.
var entraAudiences = []string{exchangeAudience, exchangeAudience + "USGov", exchangeAudience + "China"}

// checkManagedIdentity wants what Entra itself issued to be a managed identity's, which its claim xms_mirid tells. A token that says
// neither what it is nor whose passes: of a cluster with such an issuer, say.
func (a *assertion) checkManagedIdentity() *refusal {
	switch {
	case !issuedByEntra(a.issuer):
		return nil
	case a.kind == "user" || a.delegated:
		return &refusal{code: 700229}
	case a.kind == "app" && a.managedIdentity == "":
		return &refusal{code: 700226}
	case !slices.ContainsFunc(a.audience, func(audience string) bool { return slices.Contains(entraAudiences, audience) }):
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

// checkSignature asks the issuer for its keys.
func (s *Server) checkSignature(ctx context.Context, c *call) (*refusal, error) {
	keys, err := s.keysOf(ctx, c.assertion.issuer, time.Now())
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errUnreachable):
		return &refusal{code: 90061, cause: err}, nil
	case err != nil:
		return &refusal{code: 50166, cause: err}, nil
	}
	key := keys[c.assertion.text("kid")]
	switch {
	case key == nil:
		return &refusal{code: 7000272}, nil
	case !c.assertion.signedBy(key):
		return &refusal{code: 7000274}, nil
	}
	return nil, nil
}
