package credential

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/hint"
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
		asked: redact.New("").Clean(fmt.Sprintf("scope %q, client ID %q, tenant %q", strings.Join(options.Scopes, " "), c.clientID, tenant)), // a token given as a tenant, say
		err:   err,
	}
}

// Error is one line, whatever those that it wraps are: sources, transports and policies may be anybody's.
func (e *tokenError) Error() string {
	return redact.OneLine("credential: no token for " + e.asked + ": " + e.err.Error())
}
func (e *tokenError) Unwrap() error { return e.err }

// NonRetriable keeps azcore from retrying what was retried, or is remembered, here.
func (e *tokenError) NonRetriable() {}

// LogValue keeps the error one line in logs: slog's text handler would print %+v.
func (e *tokenError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// Format prints the block for %+v, and the line for every other verb.
func (e *tokenError) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('+') {
		_, _ = s.Write([]byte(e.block()))
		return
	}
	fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error())
}

// block tells the same as Error, a line for each part.
func (e *tokenError) block() string {
	parts := []struct{ name, text string }{{"asked for", e.asked}}
	add := func(name, text string) { parts = append(parts, struct{ name, text string }{name, text}) }
	if refused, ok := errors.AsType[*refusedError](e.err); ok {
		said, ids := refused.said()
		// What surrounds the refusal: a back-off, a context that ended.
		if around := strings.Replace(e.err.Error(), refused.Error(), "the refusal below", 1); around != "the refusal below" {
			add("state", around)
		}
		add("Entra said", said)
		add("in short", refused.hint.Means)
		add("presented", refused.presented)
		add("likely cause", refused.hint.Cause)
		add("fix", refused.hint.Fix)
		add("IDs", ids)
	} else {
		add("error", e.err.Error())
	}
	var b strings.Builder
	b.WriteString("credential: no token")
	for _, part := range parts {
		if part.text != "" {
			fmt.Fprintf(&b, "\n  %-14s%s", part.name+":", redact.OneLine(part.text))
		}
	}
	return b.String()
}

// refusedError is a refusal with what the federated token said of itself, which is not secret, and what to make of it.
type refusedError struct {
	err       error
	presented string
	hint      hint.Hint
}

// refused adds to err, which is Entra ID's refusal, what that was presented with, which it does not always say, and the likely cause.
func (c *Credential) refused(err error, refusal *exchange.Error, r exchange.Request) error {
	presented, token := "", (*tokenfile.Token)(nil)
	if parsed, bad := tokenfile.Parse(r.Assertion); bad != nil {
		_, why, _ := strings.Cut(bad.Error(), tokenfile.ErrMalformed.Error()+": ")
		presented = "an assertion that is not a JWT as RFC 7519 has it: " + why
	} else {
		presented, token = describe(parsed), &parsed
	}
	return &refusedError{err: err, presented: presented, hint: hint.For(refusal, token, hint.Settings{
		ClientID: r.ClientID, TenantID: r.TenantID, Scope: strings.Join(r.Scopes, " "),
		Host: c.client.Host(), Binding: c.binding, BindingOffered: env(envTokenProxy) != "",
		Source: c.source.name, FromFile: c.source.file, Now: time.Now(),
	})}
}

func (e *refusedError) Error() string {
	s := e.err.Error() + "; presented: " + e.presented
	if hint := e.hint.String(); hint != "" {
		s += "; " + hint
	}
	return s
}
func (e *refusedError) Unwrap() error { return e.err }

// Hint is for package diagnose, which tells the same link by link.
func (e *refusedError) Hint() hint.Hint { return e.hint }

// said returns the refusal without the IDs in it, and those.
func (e *refusedError) said() (said, ids string) {
	said = e.err.Error()
	refusal, _ := errors.AsType[*exchange.Error](e.err)
	var found []string
	for _, id := range []string{
		"correlation ID " + refusal.CorrelationID, "trace ID " + refusal.TraceID, "time " + refusal.Timestamp.UTC().Format(time.RFC3339),
	} {
		if before, after, ok := strings.Cut(said, "; "+id); ok && !strings.HasSuffix(id, " ") {
			said, found = before+after, append(found, id)
		}
	}
	return said, strings.Join(found, ", ")
}

// describe tells a federated token's claims.
func describe(token tokenfile.Token) string {
	// Entra ID takes at most 600 characters of each; what is longer is wrong, and no reason for a longer error.
	const most = 600
	s := fmt.Sprintf("issuer %q, subject %q, audience %q", redact.Clip(token.Issuer, most), redact.Clip(token.Subject, most), redact.Clip(strings.Join(token.Audience, " "), most))
	if !token.Expiry.IsZero() {
		s += ", expiry " + token.Expiry.Format(time.RFC3339)
	}
	return s
}
