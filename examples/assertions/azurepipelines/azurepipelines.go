// Package azurepipelines signs an Azure Pipelines job in to Microsoft Entra ID as its service
// connection, without a secret. It gets the connection's OpenID Connect token, for
// credential.Options.Assertion. It has no dependencies; copy the file.
//
// # In the pipeline
//
// A task in the same stage must name the service connection, as AzureCLI@2 does. Otherwise Azure
// DevOps issues no token for it. The job's own token is a secret variable, so the step must map it:
//
//	env:
//	  SYSTEM_ACCESSTOKEN: $(System.AccessToken)
//
// # In Entra ID
//
// Azure DevOps shows the issuer and subject of a service connection that uses workload identity
// federation. Copy both into the federated credential unchanged:
//
//	issuer    https://login.microsoftonline.com/TENANT-ID/v2.0
//	subject   /eid1/c/pub/t/…
//	audience  api://AzureADTokenExchange
//
// Older connections have https://vstoken.dev.azure.com/ORGANIZATION-ID and
// sc://ORGANIZATION/PROJECT/CONNECTION. Microsoft retires that issuer on July 1, 2027.
//
// # Sources
//
// The request: https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create.
// Its version, the two variables and the header that requests a 401 instead of a redirect come from
// azidentity's AzurePipelinesCredential (v1.15.0). The task in the same stage:
// https://github.com/dotnet/docker-tools/issues/2012. The issuers:
// https://learn.microsoft.com/azure/devops/pipelines/release/convert-service-connections.
package azurepipelines

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

const (
	envURL   = "SYSTEM_OIDCREQUESTURI" // set by the agent for every step
	envToken = "SYSTEM_ACCESSTOKEN"    // mapped by the step

	apiVersion = "7.1"
	maxReply   = 64 << 10 // bytes; a reply with a token has about 2 KiB
)

// Options configures [New]. The zero value is ready to use in a job.
type Options struct {
	// Client sends the request. It is copied, and the copy follows no redirects. Default: a client
	// with [http.DefaultTransport], which uses the environment's proxy.
	Client *http.Client
}

// New returns a function for credential.Options.Assertion. serviceConnectionID is the resourceId in
// the URL of the service connection's page, a GUID. The function is safe for concurrent use and
// sends a request at each call. The credential calls it once per exchange and caches the access
// token.
//
// The function also reads the environment at each call, so New cannot fail. Errors name the cause
// and never contain a token. The context bounds the request.
func New(serviceConnectionID string, options *Options) func(context.Context) (string, error) {
	s := source{connection: strings.TrimSpace(serviceConnectionID)}
	if options != nil && options.Client != nil {
		s.client = *options.Client
	}
	// A redirect could send the job's token to another server.
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s.assertion
}

type source struct {
	connection string
	client     http.Client
}

func (s *source) assertion(ctx context.Context) (string, error) {
	token, err := s.fetch(ctx)
	if err != nil {
		return "", fmt.Errorf("azurepipelines: %w", err)
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
		err = e.Err // without the URL, which has the connection's ID
	}
	if err != nil {
		return "", fmt.Errorf("no reply from %s: %w", host, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", s.refusal(host, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return "", fmt.Errorf("read the reply from %s: %w", host, err)
	}
	if len(body) > maxReply {
		return "", fmt.Errorf("the reply from %s is longer than %d bytes", host, maxReply)
	}
	var reply struct {
		Token string `json:"oidcToken"`
	}
	if json.Unmarshal(body, &reply) != nil || reply.Token == "" {
		// Not wrapped, because the decoder's errors quote its input.
		return "", fmt.Errorf("the reply from %s is not JSON with an oidcToken; %s", host, s.question())
	}
	return reply.Token, nil
}

// request returns the documented request.
func (s *source) request(ctx context.Context) (*http.Request, error) {
	if s.connection == "" {
		return nil, errors.New("the service connection ID is empty")
	}
	rawURL, token := strings.TrimSpace(os.Getenv(envURL)), strings.TrimSpace(os.Getenv(envToken))
	if rawURL == "" {
		return nil, fmt.Errorf("%s is not set: this is not an Azure Pipelines job", envURL)
	}
	if token == "" || strings.HasPrefix(token, "$(") { // an unknown variable is not expanded
		return nil, fmt.Errorf(`%s is not set: add "env: %[1]s: $(System.AccessToken)" to the step`, envToken)
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "https" || u.Host == "" { // not quoted, because it may be a misplaced token
		return nil, fmt.Errorf("%s is not an https URL", envURL)
	}
	u.RawQuery = url.Values{"api-version": {apiVersion}, "serviceConnectionId": {s.connection}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s does not form a valid request URL", envURL)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("X-TFS-FedAuthRedirect", "Suppress") // 401 for a bad token, not a redirect to a login page
	return request, nil
}

// refusal quotes neither the reason phrase nor the body. A server can echo the request in both.
func (s *source) refusal(host string, status int) error {
	text := fmt.Sprintf("%s answered %d %s", host, status, http.StatusText(status))
	switch status {
	case http.StatusUnauthorized:
		text += "; is " + envToken + " this job's token?"
	case http.StatusForbidden, http.StatusNotFound:
		text += "; " + s.question()
	}
	return errors.New(text)
}

func (s *source) question() string {
	return fmt.Sprintf("does a task in this stage name the service connection with ID %q?", s.connection)
}
