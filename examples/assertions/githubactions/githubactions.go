// Package githubactions signs a GitHub Actions job in to Microsoft Entra ID without a secret in the
// repository. It gets the job's OpenID Connect token, for credential.Options.Assertion. It has no
// dependencies; copy the file.
//
// # In the workflow
//
// The job needs the permission to request a token. Without it, GitHub does not set the two
// variables that this package reads:
//
//	permissions:
//	  id-token: write
//
// # In Entra ID
//
// The app registration or user-assigned managed identity needs a federated credential. Entra ID
// compares all three values exactly:
//
//	issuer    https://token.actions.githubusercontent.com
//	subject   repo:OWNER@OWNER-ID/REPO@REPO-ID:environment:NAME
//	          repo:OWNER@OWNER-ID/REPO@REPO-ID:ref:refs/heads/BRANCH    for a job without an environment
//	          repo:OWNER@OWNER-ID/REPO@REPO-ID:pull_request
//	audience  api://AzureADTokenExchange
//
// Repositories created before July 15, 2026, and not renamed, transferred or opted in since, have
// subjects without the IDs, as in repo:OWNER/REPO:pull_request. GitHub Enterprise Server has no IDs
// in subjects either. Its issuer is https://HOSTNAME/_services/token, which must be reachable from
// Entra ID.
//
// # Sources
//
// Claims: https://docs.github.com/actions/reference/security/oidc. The two variables:
// https://docs.github.com/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-cloud-providers.
// The request is that of GitHub's own client, which that page recommends:
// https://github.com/actions/toolkit/blob/main/packages/core/src/oidc-utils.ts. The page's curl
// command sends a different one, without an audience. Federated credential:
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

// Audience is the audience that Entra ID and the federated credential expect.
const Audience = "api://AzureADTokenExchange"

// Environment variables that the runner sets for a job that may request a token.
const (
	envURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	envToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// maxReply bounds how much of a reply is read, in bytes. A reply with a token has about 2 KiB.
const maxReply = 64 << 10

// Options configures [New]. The zero value is ready to use in a job.
type Options struct {
	// Audience is the token's audience. Default: [Audience].
	Audience string

	// Client sends the request. It is copied, and the copy follows no redirects. Default: a client
	// with [http.DefaultTransport], which uses the environment's proxy.
	Client *http.Client
}

// New returns a function for credential.Options.Assertion. The function is safe for concurrent use
// and sends a request at each call. The credential calls it once per exchange and caches the access
// token.
//
// The function also reads the environment at each call, so New cannot fail. Errors name the cause
// and never contain a token. The context bounds the request.
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
	// A redirect could send the request token to another server.
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
		err = e.Err // without the URL, whose query should not be logged
	}
	if err != nil {
		return "", fmt.Errorf("no reply from %s: %w", host, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		// The error has neither the reason phrase nor the body. A server can echo the request in
		// both.
		return "", fmt.Errorf("%s answered %d %s", host, response.StatusCode, http.StatusText(response.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return "", fmt.Errorf("read the reply from %s: %w", host, err)
	}
	if len(body) > maxReply {
		return "", fmt.Errorf("the reply from %s is longer than %d bytes", host, maxReply)
	}
	var reply struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(body, &reply) != nil || reply.Value == "" {
		// Not wrapped, because the decoder's errors quote its input.
		return "", fmt.Errorf(`the reply from %s is not JSON with a token as "value"`, host)
	}
	return reply.Value, nil
}

// request returns the request of GitHub's own client. It adds the audience to the URL from the
// environment, which already has a query.
func (s *source) request(ctx context.Context) (*http.Request, error) {
	rawURL, token := strings.TrimSpace(os.Getenv(envURL)), strings.TrimSpace(os.Getenv(envToken))
	if rawURL == "" || token == "" {
		return nil, fmt.Errorf(`%s and %s are not both set: give the workflow or the job "permissions: id-token: write"`, envURL, envToken)
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "https" || u.Host == "" { // not quoted, because it may be a misplaced token
		return nil, fmt.Errorf("%s is not an https URL", envURL)
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "audience=" + url.QueryEscape(s.audience)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s does not form a valid request URL", envURL)
	}
	request.Header.Set("Authorization", "bearer "+token)
	request.Header.Set("Accept", "application/json")
	return request, nil
}
