package credential

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/tokenfile"
)

// Error is the type of every error of [Credential.GetToken]. It describes the request and the
// failure, and holds no secret. [errors.As] and [errors.Is] find the wrapped error: an
// [*exchange.Error] if Entra ID refused, the error of the caller's context, or that of the
// federated token's source.
type Error struct {
	asked string
	step  string // that failed, in an error of a step before the one that was asked for
	at    hint.Endpoint
	err   error
}

// Steps before an exchange, and what they bring.
const (
	blueprintStep = "the blueprint's token for the agent"
	accountStep   = "the agent's token for its user account"
)

// explain turns err into an error of GetToken.
func (c *Credential) explain(options *policy.TokenRequestOptions, err error) error {
	return &Error{asked: asked(strings.Join(options.Scopes, " "), cmp.Or(options.TenantID, c.home.spelling), c.identity.Value()), at: c.core.endpoint(), err: err}
}

// endpoint is where the requests are sent.
func (c *core) endpoint() hint.Endpoint {
	return hint.Endpoint{Host: c.client.Host(), Binding: c.client.TokenProxy()}
}

// asked describes the request in bounded length. It removes tokens that were passed by mistake, for
// example as a tenant.
func asked(scopes, tenant string, p principal) string {
	shown := func(s string) string { return redact.Clip(clean(s), 64) }
	text := fmt.Sprintf("scope %q, client ID %q, tenant %q", redact.Clip(clean(scopes), 128), shown(p.ClientID), shown(tenant))
	switch {
	case p.fmiPath != "":
		text += fmt.Sprintf(", for the agent %q", shown(p.fmiPath))
	case p.agent != "":
		text += fmt.Sprintf(", agent %q", shown(p.agent))
	}
	switch {
	case p.username != "":
		text += fmt.Sprintf(", user account %q", shown(p.username))
	case p.hasUser():
		text += ", on behalf of a user"
	}
	return text
}

// Error returns one line of bounded length: the request, the likely cause and its fix, Entra ID's
// reply, the claims presented to it, and the IDs that identify the request in its logs. A log that
// cuts the line at 1,000 bytes keeps cause and fix.
func (e *Error) Error() string {
	parts := []string{"credential: no token for " + e.chain()}
	if h := e.hint(); h.Cause != "" {
		parts = append(parts, "likely cause: "+h.Cause, "fix: "+h.Fix)
	}
	if refused := e.refused(); refused != nil {
		parts = append(parts, refused.refusal.Said(), e.state(), "presented: "+refused.presented, refused.refusal.IDs())
	} else {
		parts = append(parts, e.cause().Error())
	}
	return redact.OneLine(parts[0] + ": " + join(parts[1:]))
}

// Summary returns one line that stays the same from attempt to attempt while the cause is the same:
// it has no IDs, times, counts or ports. A controller can store it in a status condition, where a
// changing text would trigger the next reconcile. For a refusal it has the code, its meaning in
// short, the likely cause and the fix.
func (e *Error) Summary() string {
	refused := e.refused()
	if refused == nil {
		failure := cmp.Or(failureOf(e.failed()), e.err)
		if late, ok := errors.AsType[*overdueError](failure); ok {
			// Several timeouts can end the wait; which one does varies.
			return "no " + late.what + " in time"
		}
		return stable(failure.Error())
	}
	said := refused.refusal
	code := said.Code
	if len(said.EntraCodes) > 0 {
		code = strings.TrimSpace(fmt.Sprintf("AADSTS%d %s", said.EntraCodes[0], code))
	}
	if code == "" {
		code = fmt.Sprintf("HTTP %d, not the reply of a token endpoint", said.StatusCode)
	}
	parts := []string{code}
	if _, ok := errors.AsType[*Error](e.failed()); ok {
		parts = []string{"no token for " + e.chain(), code}
	}
	if h := refused.stable; h.Cause != "" {
		parts = append(parts, h.Means, "likely cause: "+h.Cause, "fix: "+h.Fix)
	}
	return redact.OneLine(join(parts))
}

// chain returns the request and, if an earlier step of it failed, that step.
func (e *Error) chain() string {
	inner, ok := errors.AsType[*Error](e.failed())
	switch {
	case !ok:
		return e.asked
	case inner.step == "": // another credential is the source
		return e.asked + ": failed at its assertion, a token for " + inner.chain()
	}
	return e.asked + ": failed at " + inner.step
}

// Cause returns the likely cause, without a full stop; empty if it is unknown.
func (e *Error) Cause() string { return e.hint().Cause }

// Fix returns how to fix the likely cause, without a full stop; empty if it is unknown.
func (e *Error) Fix() string { return e.hint().Fix }

// Step names an exchange before the one that was asked for, such as "the blueprint's token for the
// agent": the one that failed, or that had not finished when the caller gave up. It is empty if
// there was no such exchange.
func (e *Error) Step() string {
	if inner, ok := errors.AsType[*Error](e.failed()); ok {
		return inner.step
	}
	gaveUp, ok := errors.AsType[interface {
		error
		Doing() string
	}](e.err)
	for _, step := range []string{blueprintStep, accountStep} {
		if ok && gaveUp.Doing() == waitingFor(step) {
			return step
		}
	}
	return ""
}

// Unwrap returns the underlying failure.
func (e *Error) Unwrap() error { return e.err }

// NonRetriable keeps azcore from retrying failures that were already retried here, or are
// remembered.
func (e *Error) NonRetriable() {}

// LogValue keeps the error on one line in logs: slog's text handler would print %+v.
func (e *Error) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// Format prints a block for people for %+v, and one line for every other verb.
func (e *Error) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('+') {
		_, _ = s.Write([]byte(e.block()))
		return
	}
	fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error())
}

// block returns the parts of Error on lines of their own.
func (e *Error) block() string {
	var b strings.Builder
	b.WriteString("credential: no token")
	add := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n  %-14s%s", name+":", redact.OneLine(text))
		}
	}
	add("asked for", e.chain())
	refused := e.refused()
	if refused == nil {
		add("error", e.cause().Error())
		add("likely cause", e.Cause())
		add("fix", e.Fix())
		return b.String()
	}
	add("state", e.state())
	add("Entra said", refused.refusal.Said())
	add("in short", refused.hint.Means)
	add("presented", refused.presented)
	add("likely cause", refused.hint.Cause)
	add("fix", refused.hint.Fix)
	add("IDs", refused.refusal.IDs())
	return b.String()
}

// cause returns what went wrong, at the step that failed.
func (e *Error) cause() error {
	if inner, ok := errors.AsType[*Error](e.failed()); ok {
		return inner.cause()
	}
	return e.err
}

// failed returns how the exchange failed, or nil if it has not. If the caller gave up, e.err also
// wraps the reason for that, which can be any error, even another GetToken's.
func (e *Error) failed() error {
	if around, ok := e.err.(interface{ Last() error }); ok {
		return around.Last()
	}
	return e.err
}

// refused returns Entra ID's refusal, or nil.
func (e *Error) refused() *refusedError {
	refused, _ := errors.AsType[*refusedError](e.failed())
	return refused
}

func (e *Error) hint() hint.Hint {
	if refused := e.refused(); refused != nil {
		return refused.hint
	}
	return hint.OfFailure(e.failed(), e.at)
}

// state describes what happened around a refusal: a back-off, a context that ended, a later
// failure.
func (e *Error) state() string {
	around, ok := errors.AsType[interface {
		error
		State() string // the error's text without the refusal
	}](e.err)
	if !ok {
		return ""
	}
	return around.State()
}

// failureOf returns the failure that err remembers, or err.
func failureOf(err error) error {
	for {
		around, ok := errors.AsType[interface {
			error
			Last() error // nil if there was none
		}](err)
		if !ok || around.Last() == nil {
			break
		}
		err = around.Last()
	}
	if step, ok := errors.AsType[*Error](err); ok {
		return failureOf(step.err)
	}
	return err
}

// join separates the parts that are not empty.
func join(parts []string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "; ")
}

// volatile matches the parts that differ between two errors with the same cause: GUIDs, times,
// ports, durations and counts.
var volatile = regexp.MustCompile(`[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}` +
	`|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?` +
	`|\b(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:]+\]):\d+` +
	`|\b\d+(?:\.\d+)?(?:h\d+m\d+(?:\.\d+)?s|m\d+(?:\.\d+)?s|ns|µs|ms|s|m|h)\b` +
	`|\bfailure \d+\b`)

// stable replaces the volatile parts of text.
func stable(text string) string { return redact.OneLine(volatile.ReplaceAllString(text, "…")) }

// overdueError is a timeout: what did not arrive, and after how long.
type overdueError struct {
	what    string
	elapsed time.Duration
	err     error
}

func (e *overdueError) Error() string {
	return fmt.Sprintf("no %s within %s: %v", e.what, e.elapsed.Round(100*time.Millisecond), e.err)
}

func (e *overdueError) Unwrap() error { return e.err }

// refusedError is a refusal by Entra ID, with the token that it refused and the hint for it.
type refusedError struct {
	refusal   *exchange.Error
	token     *tokenfile.Token // nil if the presented assertion is unreadable
	presented string           // the token's claims, which are not secret
	badUser   bool             // the user's token that was also presented is unreadable
	hint      hint.Hint
	stable    hint.Hint // the hint without parts that differ between attempts
}

// refused explains Entra ID's refusal of k's request.
func (c *core) refused(refusal *exchange.Error, k key, r exchange.Request) *refusedError {
	e, d := &refusedError{refusal: refusal}, k.identity.Value().derivation
	derived := d.agent != ""
	token, err := tokenfile.Parse(r.Assertion)
	switch {
	case derived:
		e.presented = blueprintStep + audience(token)
	case err != nil:
		e.presented = "an assertion that is not a JWT as RFC 7519 has it: " + err.Error()
	default:
		e.presented, e.token = describe(token), &token
	}
	for _, more := range []struct{ what, token string }{
		{"the user's token", r.UserAssertion}, {accountStep, r.UserFederatedCredential},
	} {
		if token, _ := tokenfile.Parse(more.token); more.token != "" {
			e.presented += "; " + more.what + audience(token)
		}
	}
	_, unreadable := tokenfile.Parse(r.UserAssertion)
	e.badUser = r.UserAssertion != "" && unreadable != nil
	settings := hint.Settings{
		ClientID: r.ClientID, TenantID: r.TenantID, Scope: strings.Join(r.Scopes, " "),
		Host: c.client.Host(), Binding: c.client.TokenProxy(), BindingOffered: env(envTokenProxy) != "",
		Source: c.source.name, FromFile: c.source.file, Derived: derived, Delegated: d.hasUser(), BadUserToken: e.badUser, Now: time.Now(),
	}
	e.hint = hint.For(refusal, e.token, settings)
	settings.Stable = true
	e.stable = hint.For(refusal, e.token, settings)
	return e
}

func (e *refusedError) Error() string {
	parts := []string{e.refusal.Error(), "presented: " + e.presented, e.hint.String()}
	return join(parts)
}
func (e *refusedError) Unwrap() error { return e.refusal }

// Hint is for package diagnose, which reports it link by link.
func (e *refusedError) Hint() hint.Hint { return e.hint }

// stale reports whether the federated token may have been replaced since it was read. It is false
// for nil, and for a user's bad token, which must not cost others the blueprint's token.
func (e *refusedError) stale() bool {
	return e != nil && slices.ContainsFunc(e.refusal.EntraCodes, func(code int) bool {
		return hint.StaleAssertion(code) && (code != hint.Unreadable || !e.badUser)
	})
}

// then prefixes err with the refusal, which usually explains more. On a nil e it returns err.
func (e *refusedError) then(err error) error {
	if e == nil {
		return err
	}
	return &afterRefusalError{e, err}
}

// afterRefusalError is an error that prevented another attempt after a refusal.
type afterRefusalError struct {
	refused *refusedError
	err     error
}

func (e *afterRefusalError) Error() string   { return e.refused.Error() + "; " + e.State() }
func (e *afterRefusalError) State() string   { return "then: " + e.err.Error() }
func (e *afterRefusalError) Unwrap() []error { return []error{e.refused, e.err} }

// mostClaim limits how much of a claim is shown. Entra ID accepts at most 600 characters, so a
// longer claim is wrong anyway.
const mostClaim = 600

// audience describes a token that Entra ID issued without revealing a user. It returns "" if the
// token is unreadable.
func audience(token tokenfile.Token) string {
	if len(token.Audience) == 0 {
		return ""
	}
	return fmt.Sprintf(" (audience %q, expiry %s)", redact.Clip(strings.Join(token.Audience, " "), mostClaim), token.Expiry.Format(time.RFC3339))
}

// describe returns a federated token's claims.
func describe(token tokenfile.Token) string {
	const most = mostClaim
	s := fmt.Sprintf("issuer %q, subject %q, audience %q", redact.Clip(token.Issuer, most), redact.Clip(token.Subject, most), redact.Clip(strings.Join(token.Audience, " "), most))
	if !token.Expiry.IsZero() {
		s += ", expiry " + token.Expiry.Format(time.RFC3339)
	}
	return s
}
