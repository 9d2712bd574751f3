package diagnose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/entrafed/entrafed/internal/redact"
)

// checkResource uses the access token as a client of the resource would.
func checkResource(ctx context.Context, w *walk, l *Link) {
	target := w.options.Resource
	l.see("url", target)
	if err := fetchable(target); err != nil {
		l.fail(err.Error(), "give an https URL of the resource, as https://my-vault.vault.azure.net/secrets?api-version=7.4")
		return
	}
	if w.access.Token == "" {
		l.skip("there is no access token to show it")
		return
	}
	reply, err := w.fetch(ctx, target, w.access.Token)
	if err != nil {
		l.unreached(err.Error(), err, "see that the resource can be reached from here: private endpoints, firewall rules, DNS")
		if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound {
			l.Transient = false
		}
		return
	}
	l.see("answer", reply.statusText())
	l.see("it says", reply.says())
	if err := reply.redirect(target); err != nil {
		l.fail(err.Error(), "give the URL that answers by itself: this one moved, or is for people, who sign in at another")
		return
	}
	w.judge(l, reply.status)
}

// judge tells what an answer means for the token. Whatever else a resource objects to, it has taken the token by then.
func (w *walk) judge(l *Link, status int) {
	switch {
	case status == http.StatusUnauthorized:
		l.fail("the resource refuses the access token", "compare what it says with the access token's audience and tenant, above: a resource takes the token of its own scope, "+
			"from the tenant that it trusts; or the token was revoked")
	case status == http.StatusForbidden:
		l.fail("the resource takes the token, but the identity may not do this here",
			fmt.Sprintf("assign it a role: az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role ROLE --scope RESOURCE-ID; "+
				"it counts after some minutes. Or the resource's firewall refuses this address: what it says tells", w.objectID))
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		l.fail("the resource is overloaded or down", "wait")
		l.Transient = true
	case status >= http.StatusBadRequest:
		l.warn("the resource takes the token and has nothing to give for this URL", "check the URL, and the API version in it")
	default:
		l.ok("takes the access token")
	}
}

// says returns why the resource refuses: what the challenge has, and the beginning of a text.
func (r reply) says() string {
	const most = 300
	if r.status < http.StatusBadRequest {
		return "" // that is data, and no one's business
	}
	challenge, body := r.header.Get("WWW-Authenticate"), string(r.body)
	if !utf8.ValidString(body) {
		body = ""
	}
	return strings.TrimSpace(redact.Clip(challenge, most) + " " + redact.Clip(body, most))
}
