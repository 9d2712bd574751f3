package entratest

import (
	"context"
	"errors"
	"time"
)

// maxLifetime is what Entra takes as 24 hours: it writes the bound as 1.01:00:00.
const maxLifetime = 25 * time.Hour

// judge decides on a token request, in the order that the comment of Server gives. Its error is that of a context that ended.
func (s *Server) judge(ctx context.Context, c *call) (*refusal, error) {
	for _, object := range requestChecks {
		if no := object(c); no != nil {
			return no, nil
		}
	}
	judgeAssertion := s.judgeLeniently
	if s.strict() {
		judgeAssertion = s.judgeStrictly
	}
	if no, err := judgeAssertion(ctx, c); no != nil || err != nil {
		return no, err
	}
	return s.checkResource(c), nil
}

// judgeLeniently takes everything that looks like an assertion and has not expired.
func (s *Server) judgeLeniently(_ context.Context, c *call) (*refusal, error) {
	if no := checkAssertionForm(c); no != nil {
		return no, nil
	}
	return c.assertion.checkExpiry(c.now), nil
}

func (s *Server) judgeStrictly(ctx context.Context, c *call) (*refusal, error) {
	who, no := s.lookUp(c)
	if no != nil {
		return no, nil
	}
	if no := checkAssertionForm(c); no != nil {
		return no, nil
	}
	for _, no := range []*refusal{
		c.assertion.checkAlgorithm(),
		who.match(c.assertion, c.now),
		c.assertion.checkLifetime(),
		c.assertion.checkExpiry(c.now),
		c.assertion.checkNotBefore(c.now),
	} {
		if no != nil {
			return no, nil
		}
	}
	return s.checkSignature(ctx, c)
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
	keys, err := s.keysOf(ctx, c.assertion.issuer, c.now)
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
