// Package hint says why Entra ID refused an exchange, as likely as can be told from the refusal, the federated token and the
// settings at hand, and how to mend that. It refuses nothing and decides nothing: its words are for people.
package hint

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/aadsts"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/tokenfile"
)

// Hint is a likely cause and its fix, each one line without a secret, together under 400 bytes. The zero value is none.
type Hint struct {
	Field aadsts.Field // that is wrong
	Means string       // what Entra ID's code means, in short; empty without one
	Cause string
	Fix   string
}

// String returns the hint as a part of a line, empty for none.
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

// Settings are what the request was made of, the federated token aside.
type Settings struct {
	ClientID, TenantID, Scope string
	Host                      string // that was asked: the authority's, or the token proxy's
	Binding                   bool   // it is the token proxy of an identity binding
	BindingOffered            bool   // the environment names such a proxy
	Source                    string // of the federated token, as messages name it; one line
	FromFile                  bool   // the source is a file
	Now                       time.Time
}

// For returns the hint for a refusal of the token, which is nil if what was presented is none that can be read. It is the zero
// Hint if nothing is known.
func For(refusal *exchange.Error, token *tokenfile.Token, s Settings) Hint {
	f := &facts{Settings: s, refusal: refusal, unreadable: token == nil}
	if token != nil {
		f.token = *token
	}
	for _, f.code = range refusal.EntraCodes {
		var known bool
		if f.entry, known = aadsts.Of(f.code); known {
			break
		}
	}
	h := Hint{Field: f.entry.Field, Means: f.entry.Means, Cause: f.entry.Cause, Fix: f.entry.Fix}
	for _, r := range rules {
		if (r.codes == nil || slices.Contains(r.codes, f.code)) && r.applies(f) {
			h.Field, h.Cause, h.Fix = r.field, r.cause, r.fix
			break
		}
	}
	if filled := f.fill(h, quote); len(filled.String()) < mostBytes {
		return filled
	}
	return f.fill(h, func(string) string { return tooLong })
}

const (
	mostBytes = 400

	// tooLong stands for a value that has no place in a hint; the error or the report has it elsewhere. Half an issuer would mislead.
	tooLong = "(too long to repeat)"
)

// facts are what rules look at.
type facts struct {
	Settings
	refusal    *exchange.Error
	code       int // AADSTS, the first that is known; 0 for none
	entry      aadsts.Entry
	token      tokenfile.Token
	unreadable bool
}

// fill puts values in the place of placeholders.
func (f *facts) fill(h Hint, show func(string) string) Hint {
	source := f.Source
	if len(source) > 100 {
		source = "the token's source"
	}
	account, namespace := f.serviceAccount()
	scope := f.scopeWithoutDefault()
	values := strings.NewReplacer(
		"{issuer}", show(f.token.Issuer), "{slash}", f.slash(), "{issuer tenant}", f.issuerTenant(),
		"{subject}", show(f.token.Subject), "{account}", show(account), "{namespace}", show(namespace),
		"{audience}", show(strings.Join(f.token.Audience, " ")), "{audience cloud}", f.audienceCloud().name,
		"{alg}", show(f.token.Algorithm), "{lifetime}", f.lifetime().String(),
		"{begin}", f.token.NotBefore.Format(time.RFC3339), "{expiry}", f.token.Expiry.Format(time.RFC3339),
		"{age}", amount(f.there().Sub(f.token.Expiry)), "{skew}", amount(f.skew()),
		"{client}", show(f.ClientID), "{tenant}", show(f.TenantID), "{source}", source,
		"{host}", show(f.Host), "{cloud}", cloudOfHost(f.Host).name,
		"{scope}", show(f.Scope), "{one scope}", show(scope), "{default scope}", show(withDefault(scope)),
		"{scope cloud}", f.scopeCloud().name, "{scope authority}", f.scopeCloud().authority,
	)
	h.Cause, h.Fix = values.Replace(h.Cause), values.Replace(h.Fix)
	return h
}

// quote cuts what makes a hint too long anyway: a claim may have a megabyte. A setting may be a token by mistake.
func quote(s string) string { return strconv.Quote(redact.New("").Clean(s[:min(len(s), mostBytes)])) }

func amount(d time.Duration) string { return d.Abs().Truncate(time.Second).String() }

// there is the time by Entra ID's clock, as far as the reply told it.
func (f *facts) there() time.Time {
	if f.refusal.Date.IsZero() {
		return f.Now
	}
	return f.refusal.Date
}

// skew is how far Entra ID's clock is ahead of this machine's.
func (f *facts) skew() time.Duration { return f.there().Sub(f.Now) }

// lifetime is that of the token, where it tells.
func (f *facts) lifetime() time.Duration { return f.token.Expiry.Sub(f.token.IssuedAt) }

func (f *facts) slash() string {
	if strings.HasSuffix(f.token.Issuer, "/") {
		return "(with the slash at its end)"
	}
	return "(without a slash at its end)"
}

// serviceAccount returns what a subject of Kubernetes names; empty for another.
func (f *facts) serviceAccount() (name, namespace string) {
	rest, ok := strings.CutPrefix(f.token.Subject, "system:serviceaccount:")
	namespace, name, both := strings.Cut(rest, ":")
	if !ok || !both {
		return "", ""
	}
	return name, namespace
}

const defaultSuffix = "/.default"

// scopeWithoutDefault returns the first scope that lacks the suffix; empty if none does.
func (f *facts) scopeWithoutDefault() string {
	for _, scope := range f.resources() {
		if !strings.HasSuffix(scope, defaultSuffix) {
			return scope
		}
	}
	return ""
}

// withDefault is what to ask for instead of a scope that lacks the suffix. What follows the host of a service that is known, or an
// application's ID, is a permission's name.
func withDefault(scope string) string {
	if u, err := url.Parse(scope); err == nil && (cloudOfResource(scope).name != "" || IsGUID(u.Host)) {
		return u.Scheme + "://" + u.Host + defaultSuffix
	}
	return strings.TrimSuffix(scope, "/") + defaultSuffix
}

// resources are the scopes that are no OpenID Connect's.
func (f *facts) resources() []string {
	return slices.DeleteFunc(strings.Fields(f.Scope), func(s string) bool { return s == "openid" || s == "offline_access" || s == "profile" })
}

// audienceCloud is the cloud that the token's audience is for, by its name.
func (f *facts) audienceCloud() cloud {
	for _, c := range clouds {
		if slices.Contains(f.token.Audience, c.audience) {
			return c
		}
	}
	return cloud{}
}

// scopeCloud is the cloud that a scope's host belongs to, if it belongs to just one.
func (f *facts) scopeCloud() cloud {
	for _, scope := range f.resources() {
		if c := cloudOfResource(scope); c.name != "" {
			return c
		}
	}
	return cloud{}
}

// issuerTenant is the tenant that an AKS cluster's issuer names, as in https://eastus.oic.prod-aks.azure.com/TENANT/ID/.
func (f *facts) issuerTenant() string {
	host := hostOf(f.token.Issuer)
	parts := strings.Split(f.token.Issuer, "/")
	if !strings.Contains(host, ".oic.prod-aks.azure.") || strings.HasPrefix(host, "ib.") || len(parts) < 5 || !IsGUID(parts[3]) {
		return "" // "ib" is that of identity bindings, which names the identity
	}
	return parts[3]
}
