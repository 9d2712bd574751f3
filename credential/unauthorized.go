package credential

import (
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// InvalidateOn401 returns a policy for the PerRetryPolicies of an SDK client: when a resource answers 401, the token that the
// request carried is dropped, so that the client's next request carries a new one. A 401 with a claims challenge is left to
// the client, which answers it through GetToken. Without the policy, a token that was revoked, or issued before a role was granted,
// is used until it is due for refresh.
//
// It knows the token by the header "Authorization: Bearer"; azcosmos sends it otherwise, so its 401s invalidate nothing.
//
// A resource that refuses every token does not cause an exchange for each request: a token that was fetched in the place of a
// refused one is dropped only after a pause of 1 to 2 s, doubling with each drop up to 30 to 60 s, and starting anew once a minute
// has passed after it without a 401. Until then the token stays in use; [Credential.Invalidate] drops it at once.
func (c *Credential) InvalidateOn401() policy.Policy { return invalidateOn401{c} }

type invalidateOn401 struct{ credential *Credential }

// Do implements [policy.Policy].
func (p invalidateOn401) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if err != nil || resp.StatusCode != http.StatusUnauthorized || hasClaimsChallenge(resp) {
		return resp, err
	}
	if scheme, token, ok := strings.Cut(req.Raw().Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		p.credential.cache.Refused(token)
	}
	return resp, nil
}

// hasClaimsChallenge tells whether the client is about to ask for a token with claims.
func hasClaimsChallenge(resp *http.Response) bool {
	for _, challenge := range resp.Header.Values("WWW-Authenticate") {
		if strings.Contains(challenge, "insufficient_claims") && strings.Contains(challenge, "claims=") {
			return true
		}
	}
	return false
}
