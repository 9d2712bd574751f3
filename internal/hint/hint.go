// Package hint explains refusals by Entra ID: the likely cause, judged from the refusal, the
// federated token and the settings, and how to fix it.
//
// It knows the AADSTS codes that a federated exchange can meet
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes and public reports)
// and Azure's clouds. Microsoft asks programs not to branch on the codes: here they steer retries
// and hints, and nothing that a caller sees as a kind of error.
package hint

import (
	"cmp"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/guid"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/webhook"
	"github.com/entrafed/entrafed/tokenfile"
)

// Hint is a likely cause and its fix, each one line without a secret, together under 640 bytes. The
// zero value means that nothing is known.
type Hint struct {
	Field Field  // the part of the setup that is wrong
	Means string // what Entra ID's code means, in short; empty without one
	Cause string
	Fix   string
}

// String returns the hint as part of a line; empty for the zero value.
func (h Hint) String() string {
	if h.Cause == "" {
		return ""
	}
	return "likely cause: " + h.Cause + "; fix: " + h.Fix
}

// Of returns the hint that an error of package credential holds; the zero value if it holds none.
func Of(err error) Hint {
	if with, ok := errors.AsType[interface {
		error
		Hint() Hint
	}](err); ok {
		return with.Hint()
	}
	return Hint{}
}

// Settings describe the request, except for the federated token.
type Settings struct {
	ClientID, TenantID, Scope string
	Host                      string // of the authority or the token proxy that received the request
	Binding                   bool   // Host is the token proxy of an identity binding
	BindingOffered            bool   // the environment names such a proxy
	Source                    string // of the federated token, by its name in messages; one line
	FromFile                  bool   // Source is a file
	Derived                   bool   // the request presented a token from an earlier exchange
	Delegated                 bool   // the token is for a user, so scopes may be single permissions
	BadUserToken              bool   // the user's token that was also presented is unreadable
	Now                       time.Time
	Stable                    bool // leave out what differs between two refusals with the same cause
}

// For returns the hint for a refusal of the token, or the zero value if nothing is known. token is
// nil if the presented assertion is unreadable.
func For(refusal *exchange.Error, token *tokenfile.Token, s Settings) Hint {
	for _, setting := range []*string{&s.ClientID, &s.TenantID, &s.Scope} {
		*setting = redact.Setting(*setting)
	}
	f := &facts{Settings: s, refusal: refusal, unreadable: token == nil}
	if token != nil {
		f.token = *token
	}
	f.lookUp()
	h := Hint{Field: f.entry.Field, Means: f.entry.Means, Cause: f.entry.Cause, Fix: f.entry.Fix}
	pod := f.entry.Pod
	for _, r := range rules {
		if r.about(f) && r.applies(f) {
			h.Field, h.Cause, h.Fix, pod = r.field, r.cause, r.fix, r.pod
			break
		}
	}
	if pod != "" && f.inPod() {
		h.Fix = pod
	}
	if s.Derived && !slices.Contains(ofAnyStep, h.Field) {
		return Hint{}
	}
	if filled := f.fill(h, quote); len(filled.String()) < mostBytes {
		return filled
	}
	return f.fill(h, func(string) string { return tooLong })
}

// ofAnyStep are the fields whose codes mean the same whatever token was presented. For other
// fields, nothing documents what their codes mean in the later steps of agents.
var ofAnyStep = []Field{Tenant, Authority, Scope, User, Service}

const (
	// mostBytes leaves ample room for the three fields of a federated credential. A log that cuts
	// errors at 1,000 bytes still keeps the hint, which follows the description of the request.
	mostBytes = 640

	// tooLong replaces a value that does not fit in a hint; the error or report shows it elsewhere.
	// Half an issuer would mislead.
	tooLong = "(too long to repeat)"
)

// facts are what rules look at.
type facts struct {
	Settings
	refusal    *exchange.Error
	code       int  // the first code that the catalogue or a family has, or else the last; 0 without any
	known      bool // the catalogue has the code
	entry      Entry
	token      tokenfile.Token
	unreadable bool
}

// lookUp finds the first code in the catalogue, or else the first that belongs to a family.
func (f *facts) lookUp() {
	for _, f.code = range f.refusal.EntraCodes {
		if f.entry, f.known = exactly(f.code); f.known {
			return
		}
	}
	for _, f.code = range f.refusal.EntraCodes {
		var ok bool
		if f.entry, ok = Lookup(f.code); ok {
			return
		}
	}
}

// fill replaces placeholders with values.
func (f *facts) fill(h Hint, show func(string) string) Hint {
	source := f.Source
	if len(source) > 100 {
		source = "the token's source"
	}
	account, namespace := serviceAccount(f.token.Subject)
	scope, age := f.scopeWithoutDefault(), amount(f.entraTime().Sub(f.token.Expiry))
	values := strings.NewReplacer(
		"{issuer}", show(f.token.Issuer), "{slash}", f.slash(), "{issuer tenant}", f.issuerTenant(),
		"{discovery}", show(strings.TrimSuffix(f.token.Issuer, "/")+"/.well-known/openid-configuration"),
		"{subject}", show(f.token.Subject), "{account}", show(account), "{namespace}", show(namespace),
		"{audience}", show(strings.Join(f.token.Audience, " ")), "{audience to register}", show(AudienceToRegister(f.token, f.Host)), "{audience cloud}", f.audienceCloud().name,
		"{audience authority}", f.audienceCloud().authority, "{authority audience}", cmp.Or(cloudOfHost(f.Host).audience, webhook.Audience),
		"{alg}", show(f.token.Algorithm), "{lifetime}", f.lifetime().String(),
		"{yet}", f.timed("before "+f.token.NotBefore.Format(time.RFC3339), "yet"),
		"{at expiry}", f.timed(" at "+f.token.Expiry.Format(time.RFC3339), ""),
		"{expired}", f.timed("expired "+age+" ago", "has expired"), "{near}", f.timed(age+" from", "near"),
		"{behind}", f.timed(amount(f.skew())+" behind", "behind"), "{ahead}", f.timed(amount(f.skew())+" ahead", "ahead"),
		"{client}", show(f.ClientID), "{tenant}", show(f.TenantID), "{source}", source,
		"{host}", show(f.Host), "{cloud}", cloudOfHost(f.Host).name,
		"{scope}", show(f.Scope), "{one scope}", show(scope), "{default scope}", show(withDefault(scope)),
		"{scope cloud}", f.scopeCloud().name, "{scope authority}", f.scopeCloud().authority,
	)
	h.Cause, h.Fix = values.Replace(h.Cause), values.Replace(h.Fix)
	return h
}

// timed returns the text with a time in it, or the one without if the hint must be stable.
func (f *facts) timed(now, stable string) string {
	if f.Stable {
		return stable
	}
	return now
}

// quote quotes and redacts s: a setting may be a token by mistake. It cuts s where a hint would
// become too long anyway, because a claim may have a megabyte.
func quote(s string) string { return strconv.Quote(redact.New().Clean(s[:min(len(s), mostBytes)])) }

func amount(d time.Duration) string { return d.Abs().Truncate(time.Second).String() }

// entraTime is the time by Entra ID's clock, or by this machine's if the reply has no Date.
func (f *facts) entraTime() time.Time {
	if f.refusal.Date.IsZero() {
		return f.Now
	}
	return f.refusal.Date
}

// skew is how far Entra ID's clock is ahead of this machine's.
func (f *facts) skew() time.Duration { return f.entraTime().Sub(f.Now) }

// lifetime is the token's lifetime; meaningless unless it has both iat and exp.
func (f *facts) lifetime() time.Duration { return f.token.Expiry.Sub(f.token.IssuedAt) }

func (f *facts) slash() string {
	if strings.HasSuffix(f.token.Issuer, "/") {
		return "(with the slash at its end)"
	}
	return "(without a slash at its end)"
}

const defaultSuffix = "/.default"

// inPod reports whether the token is a service account's.
func (f *facts) inPod() bool { return OfServiceAccount(f.token) }

// scopeWithoutDefault returns the first scope that lacks the suffix; empty if none does.
func (f *facts) scopeWithoutDefault() string {
	for _, scope := range f.resources() {
		if !strings.HasSuffix(scope, defaultSuffix) {
			return scope
		}
	}
	return ""
}

// misspelledDefault finds other spellings of the suffix: /default, .default, ./default, /.Default,
// /.default/.
var misspelledDefault = regexp.MustCompile(`(?i)[./]+default/*$`)

// withDefault returns the scope to ask for instead of one that lacks the suffix. After the host of
// a known service, or an application's ID, the rest is the name of a permission.
func withDefault(scope string) string {
	scope = misspelledDefault.ReplaceAllString(scope, "")
	if of := ScopeOfResource(scope); of != "" {
		return of
	}
	if u, err := url.Parse(scope); err == nil && (cloudOfResource(scope).name != "" || guid.Is(u.Host)) {
		return u.Scheme + "://" + u.Host + defaultSuffix
	}
	return strings.TrimSuffix(scope, "/") + defaultSuffix
}

// resources are the scopes other than OpenID Connect's.
func (f *facts) resources() []string {
	return slices.DeleteFunc(strings.Fields(f.Scope), func(s string) bool { return s == "openid" || s == "offline_access" || s == "profile" })
}

// audienceCloud is the cloud that the token's audience belongs to.
func (f *facts) audienceCloud() cloud {
	for _, c := range clouds {
		if slices.Contains(f.token.Audience, c.audience) {
			return c
		}
	}
	return cloud{}
}

// scopeCloud is the cloud that a scope's host belongs to, if it belongs to only one.
func (f *facts) scopeCloud() cloud {
	for _, scope := range f.resources() {
		if c := cloudOfResource(scope); c.name != "" {
			return c
		}
	}
	return cloud{}
}

// issuerTenant is the tenant that an AKS cluster's issuer names, as in
// https://eastus.oic.prod-aks.azure.com/TENANT/ID/.
func (f *facts) issuerTenant() string {
	host := hostOf(f.token.Issuer)
	parts := strings.Split(f.token.Issuer, "/")
	if !strings.Contains(host, ".oic.prod-aks.azure.") || strings.HasPrefix(host, "ib.") || len(parts) < 5 || !guid.Is(parts[3]) {
		return "" // "ib" is the issuer of identity bindings, which names the identity
	}
	return parts[3]
}
