package diagnose

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/internal/redact"
)

// checkResource sends a request to the resource with the access token, as a client would.
func checkResource(ctx context.Context, w *walk, l *Link) {
	target := w.options.Resource
	l.see("URL", redact.URL(target))
	if err := fetchable(target); err != nil {
		l.fail(err.Error(), "give an https URL, such as https://my-vault.vault.azure.net/secrets?api-version=7.4")
		return
	}
	if w.options.Scope == "" && hint.ScopeOfResource(target) == "" {
		l.fail("the scope for this host is not known, so no token was sent to it", "give the resource's scope: Options.Scope, or the doctor's -scope")
		return
	}
	if w.access.Token == "" {
		l.skip("there is no access token to send")
		return
	}
	reply, err := w.fetch(ctx, target, w.access.Token)
	if err != nil {
		l.unreached(err.Error(), err, "check that the resource is reachable from here: private endpoints, firewall rules, DNS")
		if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound {
			l.Transient = false
		}
		return
	}
	l.see("answer", reply.statusText())
	l.see("message", reply.message())
	if err := reply.redirect(target); err != nil {
		l.fail(err.Error(), "give a URL that answers directly: this one has moved, or it sends browsers to a sign-in page")
		return
	}
	w.judge(ctx, l, reply)
}

// judge decides what a reply says about the token.
func (w *walk) judge(ctx context.Context, l *Link, r reply) {
	status := r.status
	switch {
	case w.judgeVault(l, r.vaultCode()): // which says more than the status
	case status == http.StatusUnauthorized:
		l.fail("the resource refuses the access token", "compare the message with the access token's audience and tenant: a resource accepts only tokens for its own scope, "+
			"from the tenant that it trusts; or the token was revoked")
	case status == http.StatusForbidden:
		l.fail("the resource accepts the token, but the identity is not allowed to do this",
			fmt.Sprintf("assign a role: az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role ROLE --scope RESOURCE-ID; "+
				"it takes effect in a few minutes. But read the resource's message first: a firewall may have refused this address", w.objectID))
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		l.fail("the resource is overloaded or down", "wait and try again")
		l.Transient = true
	case status == http.StatusProxyAuthRequired:
		l.fail("a proxy on the way requires authentication, so the request did not reach the resource", "put user and password in HTTPS_PROXY, or add the host to NO_PROXY")
	case status == http.StatusRequestTimeout:
		l.fail("the resource, or something on the way, gave up waiting for the request", "try again")
		l.Transient = true
	case status/100 == 3:
		l.warn("the reply says nothing about the token: "+r.statusText(), "give a URL that answers directly")
	default:
		w.judgeWithoutToken(ctx, l, r)
	}
}

// judgeWithoutToken compares the reply with one to a request without a token, because a resource
// that does not check tokens answers both in the same way.
func (w *walk) judgeWithoutToken(ctx context.Context, l *Link, r reply) {
	const (
		public    = "give a URL that is not public"
		unchecked = "the resource answers, but a second request, without a token, failed, so it is unknown whether it checks tokens: "
	)
	switch without, err := w.fetch(ctx, w.options.Resource, ""); {
	case err != nil:
		l.warn(unchecked+err.Error(), "run this again")
	case without.status == r.status:
		l.warn("the resource answers the same without a token, so its reply says nothing about the token", public)
	case slices.Contains([]int{http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests}, without.status), without.status >= http.StatusInternalServerError:
		l.warn(unchecked+without.statusText(), "run this again")
	case r.status >= http.StatusBadRequest:
		l.warn("the resource accepts the token but cannot serve this URL", "check the URL, and the API version in it")
	default:
		l.ok("accepts the access token")
	}
}

// judgeVault explains a key vault's refusal by its code
// (https://learn.microsoft.com/azure/key-vault/general/rest-error-codes; ForbiddenByConnection:
// microsoft/multimodal-ai#171; that set-policy replaces: Azure/azure-cli@3093c03,
// src/azure-cli/azure/cli/command_modules/keyvault/custom.py).
func (w *walk) judgeVault(l *Link, code string) (known bool) {
	switch code {
	case "ForbiddenByFirewall":
		l.fail("the key vault's firewall blocks this address", "allow the address: az keyvault network-rule add; or reach the vault through a private endpoint")
	case "ForbiddenByConnection":
		l.fail("the key vault is reachable only through a private endpoint", "use an approved private endpoint, with DNS that resolves the vault's name to it; "+
			"or allow public access: az keyvault update --public-network-access Enabled")
	case "ForbiddenByPolicy":
		l.fail("no access policy of the key vault allows the identity to do this", "list the new permission and all that the identity already has, because the command replaces them: "+
			"az keyvault set-policy --object-id "+w.objectID+" --secret-permissions PERMISSIONS")
	case "ForbiddenByRbac":
		l.fail("the key vault accepts the token, but the identity has no role that allows this", "assign a role: az role assignment create --assignee-object-id "+w.objectID+
			" --assignee-principal-type ServicePrincipal --role \"Key Vault Secrets User\" --scope VAULT-ID; it takes effect in a few minutes")
	case "AKV10022":
		l.fail("the key vault refuses the access token because it is for another resource", "ask for https://vault.azure.net/.default, or for its equivalent in the vault's cloud")
	case "AKV10032":
		l.fail("the key vault refuses the access token because it is from another tenant", "set AZURE_TENANT_ID (or Options.TenantID) to the tenant that the vault trusts; its message names it")
	default:
		return false
	}
	return true
}

// akvCode matches the code at the start of some messages from key vaults.
var akvCode = regexp.MustCompile(`^AKV\d+`)

// vaultCode returns the most specific code in a key vault's refusal, or an empty string.
func (r reply) vaultCode() string {
	if r.status != http.StatusUnauthorized && r.status != http.StatusForbidden {
		return ""
	}
	var body struct {
		Error struct {
			Message string
			Inner   struct{ Code string } `json:"innererror"`
		}
	}
	if json.Unmarshal(r.body, &body) != nil {
		return ""
	}
	return cmp.Or(body.Error.Inner.Code, akvCode.FindString(body.Error.Message))
}

// message returns why the resource refuses: its challenge, and the start of its body if that is
// text.
func (r reply) message() string {
	const most = 300
	if r.status < http.StatusBadRequest {
		return "" // the body is the user's data
	}
	challenge, body := r.header.Get("WWW-Authenticate"), string(r.body)
	if !utf8.ValidString(body) {
		body = ""
	}
	return strings.TrimSpace(redact.Clip(challenge, most) + " " + redact.Clip(body, most))
}
