package diagnose

import (
	"context"
	"fmt"
	"strings"

	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/internal/webhook"
	"github.com/entrafed/entrafed/tokenfile"
)

// checkServiceAccount shows the federated token's claims about the workload. Only Entra ID knows
// whether they are right, but some are odd in any case.
func checkServiceAccount(_ context.Context, w *walk, l *Link) {
	t := w.token
	if t == nil {
		l.skip("there is no federated token to read")
		return
	}
	k := t.Kubernetes
	l.see("namespace", k.Namespace)
	l.see("name", k.ServiceAccount.Name)
	l.see("pod", k.Pod.Name)
	l.see("node", k.Node.Name)
	l.see("subject", t.Subject)
	l.see("audience", strings.Join(t.Audience, " "))
	l.see("issued", fromNow(t.IssuedAt))
	l.see("expires", fromNow(t.Expiry))
	l.ok(whose(t))
	if hint.ForAPIServer(*t) {
		l.warn("the token's audience is Kubernetes itself: anyone who gets the token can use it there",
			"project a serviceAccountToken volume with the audience api://AzureADTokenExchange, as the webhook does, and set AZURE_FEDERATED_TOKEN_FILE to its file")
	}
	if lifetime := t.Expiry.Sub(t.IssuedAt); !t.IssuedAt.IsZero() && lifetime > hint.MaxLifetime {
		l.warn(fmt.Sprintf("the token's lifetime is %s; the maximum is 25 h", lifetime),
			inWorld(t, "lower "+webhook.AnnotationExpiration+", or expirationSeconds of the projected volume", "have the issuer give it a shorter lifetime"))
	}
}

// whose describes whose token it is.
func whose(t *tokenfile.Token) string {
	if account := t.Kubernetes.ServiceAccount.Name; account != "" {
		return "the pod runs as " + t.Kubernetes.Namespace + "/" + account
	}
	return "the workload is " + t.Subject
}

// inWorld returns pod if the token is a service account's, and elsewhere otherwise.
func inWorld(t *tokenfile.Token, pod, elsewhere string) string {
	if hint.OfServiceAccount(*t) {
		return pod
	}
	return elsewhere
}
