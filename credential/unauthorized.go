package credential

import (
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// InvalidateOn401 returns a policy for the PerRetryPolicies of an SDK client. After a resource has
// answered 401, callers wait for a new token, and get the refused one only if no new one is
// available. Without the policy, a token that was revoked, or issued before a role was granted, is
// used until it is due for refresh.
//
// A 401 with a claims challenge is left to the client, which answers it through GetToken. If the
// resource challenges the same token again in a later request, the client failed to answer, and the
// 401 counts as a plain one.
//
// The policy reads the token from the header "Authorization: Bearer". azcosmos sends it in another
// form, so its 401s have no effect.
//
// A resource that refuses every token does not cause an exchange for each request: the replacement
// of a refused token counts as refused only after a pause, which grows as [cache.Backoff] does.
// [Credential.Invalidate] drops a token at once and permanently.
func (c *Credential) InvalidateOn401() policy.Policy { return invalidateOn401{c} }

type invalidateOn401 struct{ credential *Credential }

// Do implements [policy.Policy].
func (p invalidateOn401) Do(req *policy.Request) (*http.Response, error) {
	sent := time.Now()
	resp, err := req.Next()
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	scheme, token, ok := strings.Cut(req.Raw().Header.Get("Authorization"), " ")
	switch {
	case !ok || !strings.EqualFold(scheme, "Bearer"):
	case hasClaimsChallenge(resp):
		p.credential.core.cache.Challenged(token, sent)
	default:
		p.credential.core.cache.Refused(token)
	}
	return resp, nil
}

// hasClaimsChallenge reports whether the client is about to ask for a token with claims.
func hasClaimsChallenge(resp *http.Response) bool {
	for _, challenge := range resp.Header.Values("WWW-Authenticate") {
		if strings.Contains(challenge, "insufficient_claims") && strings.Contains(challenge, "claims=") {
			return true
		}
	}
	return false
}
