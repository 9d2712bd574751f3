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
		l.fail(err.Error(), "see that the resource can be reached from here: private endpoints, firewall rules, DNS")
		lookup, ok := errors.AsType[*net.DNSError](err)
		l.Transient = !ok || !lookup.IsNotFound
		return
	}
	l.see("answer", reply.statusText())
	l.see("it says", reply.says())
	w.judge(l, reply.status)
}

// judge tells what an answer means for the token. Whatever else a resource objects to, it has taken the token by then.
func (w *walk) judge(l *Link, status int) {
	switch {
	case status == http.StatusUnauthorized:
		l.fail("the resource refuses the access token", "ask for the scope of this resource (its audience is above), and see that it trusts this tenant")
	case status == http.StatusForbidden:
		l.fail("the resource takes the token, but the identity may not do this here",
			fmt.Sprintf("assign it a role: az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role ROLE --scope RESOURCE-ID; "+
				"it counts after some minutes. Or the resource's firewall refuses this address", w.objectID()))
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		l.fail("the resource is overloaded or down", "wait")
		l.Transient = true
	case status >= http.StatusBadRequest:
		l.warn("the resource takes the token and has nothing to give for this URL", "check the URL, and the API version in it")
	default:
		l.ok("takes the access token")
	}
}

// objectID is what role assignments are made for.
func (w *walk) objectID() string {
	for _, f := range w.link(AccessToken).Facts {
		if f.Name == "object ID" {
			return f.Value
		}
	}
	return "OBJECT-ID"
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
