package diagnose

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/tokenfile"
)

// checkServiceAccount shows what the federated token says of the workload. Whether it is right, Entra ID knows; what is odd
// about it whatever Entra ID says is noted.
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
		l.warn("the token's audience is Kubernetes itself: whoever gets it can use it there",
			"project a serviceAccountToken volume with the audience api://AzureADTokenExchange, as the webhook does, and let AZURE_FEDERATED_TOKEN_FILE name its file")
	}
	if lifetime := t.Expiry.Sub(t.IssuedAt); !t.IssuedAt.IsZero() && lifetime > 24*time.Hour {
		l.warn(fmt.Sprintf("the token's lifetime is %s, and 24 h is the most that Entra ID takes", lifetime),
			"lower it: the annotation azure.workload.identity/service-account-token-expiration, or expirationSeconds of the projected volume")
	}
}

func whose(t *tokenfile.Token) string {
	if account := t.Kubernetes.ServiceAccount.Name; account != "" {
		return "the pod runs as " + t.Kubernetes.Namespace + "/" + account
	}
	return "not of Kubernetes: the workload is " + t.Subject
}
