// Package managedidentity signs an app registration in to Microsoft Entra ID with a user-assigned
// managed identity instead of a secret or certificate, for credential.Options.Assertion. It lets a
// workload on an Azure VM access resources in another tenant. A managed identity cannot do that
// itself, but an app registration that trusts it can. It has no dependencies; copy the file.
//
// For resources in the managed identity's own tenant, grant it access and use azidentity instead.
//
// # In Entra ID
//
// The app registration, in the same tenant as the managed identity, needs a federated credential:
//
//	issuer    https://login.microsoftonline.com/TENANT-ID/v2.0    the tenant of both
//	subject   the managed identity's object (principal) ID, not its client ID
//	audience  api://AzureADTokenExchange, or a national cloud's; see the constants
//
// To access another tenant's resources, the app must be multitenant and provisioned in that tenant.
// credential.Options.TenantID is that tenant, and ClientID is the app's. Resources in other clouds
// are not accessible. System-assigned identities are not supported.
//
// # Sources
//
// Federated credential and audiences:
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity.
// The request, its reply and its errors:
// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token.
package managedidentity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The audiences of federated credentials for managed identities, by the tenant's cloud.
const (
	AudiencePublic = "api://AzureADTokenExchange"
	AudienceUSGov  = "api://AzureADTokenExchangeUSGov"
	AudienceChina  = "api://AzureADTokenExchangeChina" // operated by 21Vianet
)

// DefaultEndpoint is the Azure Instance Metadata Service's endpoint. It answers only inside a
// virtual machine, over plain HTTP.
const DefaultEndpoint = "http://169.254.169.254/metadata/identity/oauth2/token"

const (
	apiVersion = "2018-02-01"
	maxReply   = 64 << 10 // bytes; a reply with a token has about 2 KiB
	maxQuote   = 300      // characters quoted of an error's code and of its description
)

// Options configures [New]. The zero value is ready to use in the public cloud.
type Options struct {
	// Audience is the token's audience. Default: [AudiencePublic].
	Audience string

	// Endpoint is the metadata service's URL, without a query. Default: [DefaultEndpoint].
	Endpoint string

	// Client sends the request. It is copied, and the copy follows no redirects. Default: a client
	// that uses no proxy, because the token must not pass through one, and that gives up after 2 s
	// without a connection.
	Client *http.Client
}

// New returns a function for credential.Options.Assertion. clientID is the user-assigned managed
// identity's client ID. The function is safe for concurrent use and sends a request at each call.
// The credential calls it once per exchange and caches the access token.
//
// The function does not retry, although 404, 410, 429 and 5xx mean that the service is busy or
// being updated. The credential remembers the failure, backs off and calls again. Errors never
// contain a token. The context bounds the request.
func New(clientID string, options *Options) func(context.Context) (string, error) {
	if options == nil {
		options = &Options{}
	}
	s := source{
		clientID: strings.TrimSpace(clientID),
		audience: cmp.Or(options.Audience, AudiencePublic),
		endpoint: cmp.Or(options.Endpoint, DefaultEndpoint),
		client:   http.Client{Transport: directly()},
	}
	if options.Client != nil {
		s.client = *options.Client
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s.assertion
}

// directly returns a transport without a proxy. Outside Azure, packets to the endpoint are usually
// dropped, and the dialer's default timeout would use up the exchange's time.
func directly() *http.Transport {
	return &http.Transport{DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, IdleConnTimeout: time.Minute}
}

type source struct {
	clientID, audience, endpoint string
	client                       http.Client
}

func (s *source) assertion(ctx context.Context) (string, error) {
	token, err := s.fetch(ctx)
	if err != nil {
		return "", fmt.Errorf("managedidentity: %w", err)
	}
	return token, nil
}

// reply is the service's reply, whether a success or a failure.
type reply struct {
	AccessToken      string `json:"access_token"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
}

func (s *source) fetch(ctx context.Context) (string, error) {
	if s.clientID == "" {
		return "", errors.New("no client ID: a federated credential needs a user-assigned managed identity")
	}
	request, err := s.request(ctx)
	if err != nil {
		return "", err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("no reply from the metadata service: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return "", fmt.Errorf("read the metadata service's reply: %w", err)
	}
	if len(body) > maxReply {
		return "", fmt.Errorf("the metadata service's reply is longer than %d bytes", maxReply)
	}
	var r reply
	malformed := json.Unmarshal(body, &r) != nil
	if response.StatusCode != http.StatusOK {
		return "", s.refusal(response.StatusCode, r)
	}
	if malformed || r.AccessToken == "" { // not wrapped, because the decoder's errors quote its input
		return "", errors.New("the metadata service's reply is not JSON with an access_token")
	}
	return r.AccessToken, nil
}

// request returns the documented request. The header protects against request forgery, where an
// attacker cannot set headers.
func (s *source) request(ctx context.Context) (*http.Request, error) {
	query := url.Values{"api-version": {apiVersion}, "resource": {s.audience}, "client_id": {s.clientID}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("malformed Options.Endpoint: %w", err)
	}
	request.Header.Set("Metadata", "true")
	return request, nil
}

// refusal quotes the service's error. The request has no secret that the service could echo.
func (s *source) refusal(status int, r reply) error {
	text := fmt.Sprintf("the metadata service answered %d %s", status, http.StatusText(status))
	if r.Error != "" || r.ErrorDescription != "" {
		text += fmt.Sprintf(": %.*q, %.*q", maxQuote, r.Error, maxQuote, r.ErrorDescription)
	}
	if status == http.StatusBadRequest {
		text += fmt.Sprintf("; is the identity with client ID %q assigned to this machine?", s.clientID)
	}
	return errors.New(text)
}
