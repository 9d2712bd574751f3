// Package githubactions signs a GitHub Actions job in to Microsoft Entra ID, without a secret in the repository: it gets the
// job's OpenID Connect token, for credential.Options.Assertion. It has no dependencies; copy the file.
//
// # In the workflow
//
// The job needs the permission to ask for a token, without which GitHub does not set the two variables that are read here:
//
//	permissions:
//	  id-token: write
//
// # In Entra ID
//
// The app registration or user-assigned managed identity needs a federated credential. Entra ID compares all three exactly:
//
//	issuer    https://token.actions.githubusercontent.com
//	subject   repo:OWNER@OWNER-ID/REPO@REPO-ID:environment:NAME
//	          repo:OWNER@OWNER-ID/REPO@REPO-ID:ref:refs/heads/BRANCH    of a job without an environment
//	          repo:OWNER@OWNER-ID/REPO@REPO-ID:pull_request
//	audience  api://AzureADTokenExchange
//
// Repositories made before July 15, 2026, and not renamed, transferred or opted in since, have subjects without the IDs, as in
// repo:OWNER/REPO:pull_request. On GitHub Enterprise Server, which has no IDs in subjects either, the issuer is
// https://HOSTNAME/_services/token; it must be reachable from Entra ID.
//
// # Sources
//
// Claims: https://docs.github.com/actions/reference/security/oidc. The two variables:
// https://docs.github.com/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-cloud-providers. The request is
// the one of GitHub's own client, https://github.com/actions/toolkit/blob/main/packages/core/src/oidc-utils.ts, which that page
// recommends; the page's curl command sends another, which names no audience. Federated credential:
// https://learn.microsoft.com/entra/workload-id/workload-identities-github-immutable-subjects.
package githubactions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Audience is what Entra ID wants in the token, and what the federated credential has.
const Audience = "api://AzureADTokenExchange"

// The variables that the runner sets for a job that may ask for a token.
const (
	envURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	envToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// maxReply bounds what is read of a reply. One with a token is about 2 KiB long.
const maxReply = 64 << 10

// Options of [New]. The zero value is right in a job.
type Options struct {
	// Audience the token is for. Default: [Audience].
	Audience string

	// Client sends the request. It is copied, and follows no redirect. Default: a client of [http.DefaultTransport], so with
	// the proxy that the environment names.
	Client *http.Client
}

// New returns a function for credential.Options.Assertion. It is safe for concurrent use and asks GitHub anew at each call:
// the credential calls it once per exchange, and caches the access token.
//
// The environment is read at each call, too, so that New cannot fail; the function's errors name what is wrong and never hold
// a token. The context bounds the request.
func New(options *Options) func(context.Context) (string, error) {
	if options == nil {
		options = &Options{}
	}
	s := source{audience: options.Audience}
	if s.audience == "" {
		s.audience = Audience
	}
	if options.Client != nil {
		s.client = *options.Client
	}
	// A redirect would take the request token to a server that GitHub did not name.
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s.assertion
}

type source struct {
	audience string
	client   http.Client
}

func (s *source) assertion(ctx context.Context) (string, error) {
	token, err := s.fetch(ctx)
	if err != nil {
		return "", fmt.Errorf("githubactions: %w", err)
	}
	return token, nil
}

func (s *source) fetch(ctx context.Context) (string, error) {
	request, err := s.request(ctx)
	if err != nil {
		return "", err
	}
	host := request.URL.Host
	response, err := s.client.Do(request)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL: its query is nobody's business
	}
	if err != nil {
		return "", fmt.Errorf("no reply from %s: %w", host, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		// Neither reason phrase nor body: a server can put there what it was sent.
		return "", fmt.Errorf("%s answered %d %s", host, response.StatusCode, http.StatusText(response.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return "", fmt.Errorf("reading the reply of %s: %w", host, err)
	}
	if len(body) > maxReply {
		return "", fmt.Errorf("the reply of %s is longer than %d bytes", host, maxReply)
	}
	var reply struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(body, &reply) != nil || reply.Value == "" { // not wrapped: the decoder's errors quote its input
		return "", fmt.Errorf(`the reply of %s is not JSON with a token as "value"`, host)
	}
	return reply.Value, nil
}

// request returns the request of GitHub's own client: the URL as it stands in the environment, which has a query, and the
// audience.
func (s *source) request(ctx context.Context) (*http.Request, error) {
	rawURL, token := strings.TrimSpace(os.Getenv(envURL)), strings.TrimSpace(os.Getenv(envToken))
	if rawURL == "" || token == "" {
		return nil, fmt.Errorf("%s and %s are not both set: the workflow or the job needs permissions: id-token: write", envURL, envToken)
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "https" || u.Host == "" { // not quoted: it may be the token, in the wrong variable
		return nil, fmt.Errorf("%s is not an https URL", envURL)
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "audience=" + url.QueryEscape(s.audience)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s does not make a request", envURL)
	}
	request.Header.Set("Authorization", "bearer "+token)
	request.Header.Set("Accept", "application/json")
	return request, nil
}
