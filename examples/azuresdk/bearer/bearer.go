// Package bearer puts access tokens into plain HTTP requests, for services without an SDK client. Copy the file.
//
//	client := &http.Client{Transport: &bearer.Transport{
//		Credential: cred,
//		Scope:      "https://graph.microsoft.com/.default",
//		Host:       "graph.microsoft.com",
//	}}
//
// An http.Client follows redirects, and asks its transport for each. The token goes to the one host that it is for, over https,
// and nowhere else.
package bearer

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
)

// Transport is an [http.RoundTripper] whose requests carry an access token. It is safe for concurrent use.
//
// It asks the credential for each request, because that has the cache. A token that the service answers with 401 is dropped,
// so that the next request carries a new one; this transport repeats nothing. A claims challenge it leaves unanswered, and does
// not announce that it could answer one: Azure SDK clients do.
type Transport struct {
	Credential *credential.Credential // required
	Scope      string                 // required, such as "https://graph.microsoft.com/.default"
	Host       string                 // required: the one host that gets tokens, with a port only if it has one in the URL
	Base       http.RoundTripper      // nil is http.DefaultTransport
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	authorized, token, err := t.authorize(r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper must, after an error too
		}
		return nil, err
	}
	response, err := base.RoundTrip(authorized)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		t.Credential.Invalidate(token)
	}
	return response, err
}

// authorize returns a copy of the request: a RoundTripper must not change its own.
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
