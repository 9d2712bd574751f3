package credential

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/tokenfile"
)

// tokenError is every error of GetToken: what was asked for, and what went wrong.
type tokenError struct {
	asked string
	err   error
}

// explain adds what was asked for to an error of GetToken.
func (c *Credential) explain(options *policy.TokenRequestOptions, err error) error {
	tenant := options.TenantID
	if tenant == "" {
		tenant = c.tenants.home.spelling
	}
	return &tokenError{
		asked: fmt.Sprintf("scope %q, client ID %q, tenant %q", strings.Join(options.Scopes, " "), c.clientID, tenant),
		err:   err,
	}
}

func (e *tokenError) Error() string {
	return "credential: no token for " + e.asked + ": " + e.err.Error()
}
func (e *tokenError) Unwrap() error { return e.err }

// NonRetriable keeps azcore from retrying what was retried, or is remembered, here.
func (e *tokenError) NonRetriable() {}

// presentedError is an error of the exchange with what the federated token said of itself, which is not secret.
type presentedError struct {
	err       error
	assertion string // described
}

// presented adds to Entra ID's refusal what it was presented with: it does not always say.
func presented(err error, assertion string) error {
	if _, ok := errors.AsType[*exchange.Error](err); !ok {
		return err
	}
	return &presentedError{err: err, assertion: describe(assertion)}
}

func (e *presentedError) Error() string { return e.err.Error() + "; presented: " + e.assertion }
func (e *presentedError) Unwrap() error { return e.err }

// describe tells a federated token's claims.
func describe(assertion string) string {
	token, err := tokenfile.Parse(assertion)
	if err != nil {
		return "an assertion that is not a JWT"
	}
	// Entra ID takes at most 600 characters of each; what is longer is wrong, and no reason for a longer error.
	const most = 600
	s := fmt.Sprintf("issuer %q, subject %q, audience %q", redact.Clip(token.Issuer, most), redact.Clip(token.Subject, most), redact.Clip(strings.Join(token.Audience, " "), most))
	if !token.Expiry.IsZero() {
		s += ", expiry " + token.Expiry.Format(time.RFC3339)
	}
	return s
}
