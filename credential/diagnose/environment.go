package diagnose

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/tokenfile"
)

// checkEnvironment makes the credential, and shows what it is made of.
func checkEnvironment(_ context.Context, w *walk, l *Link) {
	o := w.options.Credential
	l.setting("AZURE_CLIENT_ID", "Options.ClientID", o.ClientID)
	l.setting("AZURE_TENANT_ID", "Options.TenantID", o.TenantID)
	if o.Assertion == nil {
		l.setting("AZURE_FEDERATED_TOKEN_FILE", "Options.TokenFilePath", o.TokenFilePath)
	}
	for _, name := range []string{"AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME", "AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE"} {
		l.see(name, env(name))
	}
	if o.PropagationTimeout == 0 {
		o.PropagationTimeout = -1
	}
	cred, err := credential.New(&o)
	if err != nil {
		reject(l, err)
		return
	}
	w.cred = cred
	w.scope = cmp.Or(strings.TrimSpace(w.options.Scope), hint.ManagementScope(cred.Host()))
	l.see("token requests go to", cred.Host())
	l.see("scope", w.scope)
	l.ok("everything that a sign-in needs is set")
}

// setting shows a value and where it comes from.
func (l *Link) setting(variable, option, given string) {
	name, value := option, strings.TrimSpace(given)
	if value == "" {
		name, value = variable, env(variable)
	}
	l.see(name, cmp.Or(shown(value), "(not set)"))
}

// shown hides a token that was put in the place of a setting.
func shown(value string) string {
	if _, err := tokenfile.Parse(value); err == nil {
		return "(a token)"
	}
	return value
}

// reject notes each thing that credential.New objects to.
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
