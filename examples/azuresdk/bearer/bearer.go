// Package bearer adds access tokens to HTTPS requests, for services without an SDK client.
// Copy the file.
//
//	client := &http.Client{Transport: &bearer.Transport{
//		Credential: cred,
//		Scope:      "https://graph.microsoft.com/.default",
//		Host:       "graph.microsoft.com",
//	}}
//
// An http.Client follows redirects and calls its transport for each. The transport sends the token
// to one host only, and only over https.
package bearer

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
)

// Transport is an [http.RoundTripper] that adds an access token to each request. It is safe for
// concurrent use.
//
// It calls the credential for each request, because the credential caches tokens. When the service
// answers 401, it invalidates the token, at most once a minute, so that the next request carries a
// new one. It does not retry the request. It neither answers claims challenges nor announces that
// it could; Azure SDK clients do both.
type Transport struct {
	Credential *credential.Credential // required
	Scope      string                 // required, such as "https://graph.microsoft.com/.default"
	Host       string                 // required: the only host that gets tokens, with a port if the URLs have one
	Base       http.RoundTripper      // nil means http.DefaultTransport

	mu       sync.Mutex
	replaced time.Time // when a token was last invalidated
}

// pause is the least time between two replacements. A service that refuses every token must not
// cause an exchange per request.
const pause = time.Minute

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	authorized, token, err := t.authorize(r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // required of a RoundTripper, also on errors
		}
		return nil, err
	}
	response, err := base.RoundTrip(authorized)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		t.refused(token)
	}
	return response, err
}

// refused invalidates a token that the service refused, unless another was just replaced.
func (t *Transport) refused(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.replaced.IsZero() || time.Since(t.replaced) >= pause {
		t.replaced = time.Now()
		t.Credential.Invalidate(token)
	}
}

// authorize returns a copy of the request with the token. A RoundTripper must not modify its
// request.
func (t *Transport) authorize(r *http.Request) (*http.Request, string, error) {
	if r.URL.Scheme != "https" || !strings.EqualFold(r.URL.Host, t.Host) {
		return nil, "", fmt.Errorf("bearer: the token is for https://%s, not for %s://%s", t.Host, r.URL.Scheme, r.URL.Host)
	}
	token, err := t.Credential.GetToken(r.Context(), policy.TokenRequestOptions{Scopes: []string{t.Scope}})
	if err != nil {
		return nil, "", err
	}
	authorized := r.Clone(r.Context())
	authorized.Header.Set("Authorization", "Bearer "+token.Token)
	return authorized, token.Token, nil
}
