package diagnose

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/webhook"
)

// checkEnvironment creates the credential and shows the settings it uses.
func checkEnvironment(_ context.Context, w *walk, l *Link) {
	o := w.options.Credential
	l.setting("AZURE_CLIENT_ID", "Options.ClientID", o.ClientID)
	l.setting("AZURE_TENANT_ID", "Options.TenantID", o.TenantID)
	if o.Assertion == nil {
		l.setting("AZURE_FEDERATED_TOKEN_FILE", "Options.TokenFilePath", o.TokenFilePath)
	}
	for _, name := range []string{webhook.EnvAuthority, "AZURE_REGIONAL_AUTHORITY_NAME", webhook.EnvTokenProxy, webhook.EnvSNIName, webhook.EnvCAFile} {
		l.see(name, shown(env(name)))
	}
	if o.PropagationTimeout == 0 {
		o.PropagationTimeout = -1
	}
	cred, err := credential.New(&o)
	if err != nil {
		reject(l, err)
		return
	}
	w.cred, w.signIn = cred, cred
	if w.options.Agent != "" {
		if w.signIn, err = cred.Agent(w.options.Agent); err != nil {
			reject(l, err)
			w.cred = nil
			return
		}
	}
	w.scope = cmp.Or(strings.TrimSpace(w.options.Scope), hint.ScopeOfResource(w.options.Resource), hint.ManagementScope(cred.Host()))
	l.see("token requests go to", cred.Host())
	l.see("identity binding", binding(cred, &o))
	w.proxy = proxyOf(cred, &o)
	l.see("HTTP proxy", w.proxy)
	l.see("scope", w.scope)
	l.see("agent", w.options.Agent)
	l.ok("everything needed to sign in is set")
}

// setting shows a setting under the name of the option or variable that it comes from.
func (l *Link) setting(variable, option, given string) {
	name, value := option, strings.TrimSpace(given)
	if value == "" {
		name, value = variable, env(variable)
	}
	if _, ok := os.LookupEnv(variable); ok && value == "" {
		value = "(set but empty)"
	}
	l.see(name, cmp.Or(shown(value), "(not set)"))
}

// shown returns a setting as the report shows it. It hides a token set by mistake.
func shown(value string) string {
	if redact.HoldsToken(value) {
		return "(a token)"
	}
	return redact.URL(value)
}

// binding describes whether the credential uses an AKS identity binding, and which setting decided
// that. It is empty if no binding is configured.
func binding(cred *credential.Credential, o *credential.Options) string {
	switch {
	case cred.TokenProxy() && o.IdentityBinding != nil:
		return "used, because Options.IdentityBinding is set"
	case cred.TokenProxy():
		return "used, because " + webhook.EnvTokenProxy + " and Options.EnableAzureProxy are set"
	case env(webhook.EnvTokenProxy) != "":
		return "not used: " + webhook.EnvTokenProxy + " is set, but not Options.EnableAzureProxy"
	}
	return ""
}

// proxyOf returns the host of the HTTP proxy that token requests go through; empty if they go
// directly.
func proxyOf(cred *credential.Credential, o *credential.Options) string {
	client, ok := o.Transport.(*http.Client)
	if o.Transport != nil && !ok {
		return ""
	}
	transport, ok := cmp.Or(cmp.Or(client, http.DefaultClient).Transport, http.DefaultTransport).(*http.Transport)
	if !ok || transport.Proxy == nil || cred.TokenProxy() && transport == http.DefaultTransport {
		return "" // requests to the token proxy, which is inside the cluster, do not use it
	}
	proxy, err := transport.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: cred.Host()}})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Host // without user and password, which are secret
}

// reject adds a failure for each problem that credential.New reports.
func reject(l *Link, err error) {
	all := []error{err}
	if many, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		all = many.Unwrap()
	}
	for _, one := range all {
		l.fail(one.Error(), "")
	}
}
