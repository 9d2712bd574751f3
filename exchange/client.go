package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/entrafed/entrafed/internal/guid"
	"github.com/entrafed/entrafed/internal/problems"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/trace"
)

// patience is the longest Retry-After that a retry waits for. Callers waiting for a token prefer an
// early error, and [Error.RetryAfter] lets them remember a longer pause.
const patience = 5 * time.Second

// DefaultTryTimeout is the default for Retry.TryTimeout. It bounds one HTTP request and its reply,
// so that a dead connection leaves time for another try. It is a little over the ten seconds that
// some endpoints take.
const DefaultTryTimeout = 10500 * time.Millisecond

// ClientOptions configures a [Client]. The zero value is valid and uses the public cloud.
type ClientOptions struct {
	// ClientOptions are azcore's, with these differences:
	//   - Transport: an *http.Client is copied, and the copy follows no redirects. Its RoundTripper
	//     is shared, and so are connections; idle ones are closed after a try that timed out
	//   - Retry.MaxRetryDelay is 5 s by default: a longer Retry-After ends the exchange at once
	//   - Retry.TryTimeout is [DefaultTryTimeout] by default, because a connection may have died
	//     unnoticed; a negative value means no timeout
	//   - Logging.IncludeBody is ignored, because the bodies are secrets
	//   - InsecureAllowCredentialWithHTTP and APIVersion are ignored
	azcore.ClientOptions

	// Authority is the base URL of the tenants' endpoints, such as
	// "https://login.microsoftonline.us". It must be https. The default is
	// Cloud.ActiveDirectoryAuthorityHost, then the public cloud's.
	Authority string

	// Region sends requests to Entra ID's endpoint in an Azure region, such as "westeurope":
	// {region}.login.microsoft.com for the public cloud, {region}.{host} for others. Entra ID
	// documents it for few kinds of requests (AADSTS100007).
	Region string

	// IdentityBinding sends requests to the token proxy of an AKS identity binding. If nil, they go
	// to the authority.
	IdentityBinding *IdentityBinding
}

// Client exchanges assertions for access tokens. Create one with [NewClient]. It is safe for
// concurrent use and holds no secret.
type Client struct {
	authority *url.URL
	binding   *bindingTransport // nil if requests go to the authority
	azure     *azcore.Client
}

// OptionError reports which of the [ClientOptions] is wrong. The error of [NewClient] wraps one for
// each.
type OptionError struct {
	Option string // name of the field: "Authority", "Region" or "IdentityBinding"
	Err    error
}

// newOptionError redacts a token that was passed as the option's value.
func newOptionError(option string, err error) *OptionError {
	return &OptionError{option, redact.New().Error(err)}
}

// Error returns the option's name and what is wrong with it.
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// NewClient returns a client. options may be nil. NewClient sends nothing, and reads no file except
// the CA of an identity binding.
//
// Its error is one line and reports everything that is wrong. Its Unwrap method returns an
// [*OptionError] for each bad option.
func NewClient(options *ClientOptions) (*Client, error) {
	if options == nil {
		options = &ClientOptions{}
	}
	var wrong problems.List
	authority, err := parseAuthority(options)
	if err != nil {
		wrong.Add(newOptionError("Authority", err))
	} else if err := regionalize(authority, options.Region); err != nil {
		wrong.Add(newOptionError("Region", err))
	}
	c := &Client{authority: authority}
	pipeline := pipelineOptions(options.ClientOptions)
	if options.IdentityBinding != nil {
		c.binding, err = newBindingTransport(*options.IdentityBinding, options.Transport)
		if err != nil {
			wrong.Add(newOptionError("IdentityBinding", err))
		}
		pipeline.Transport = transport{c.binding}
	}
	if err := wrong.Err("exchange"); err != nil {
		return nil, err
	}
	// These run before and after the user's policies of either kind.
	guards := []policy.Policy{answered{}}
	c.azure, err = azcore.NewClient(trace.Module, trace.Version, runtime.PipelineOptions{PerCall: guards, PerRetry: append([]policy.Policy{observed{}}, guards...)}, pipeline)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	return c, nil
}

// pipelineOptions returns a copy of the user's options with safe settings.
func pipelineOptions(o azcore.ClientOptions) *azcore.ClientOptions {
	o.APIVersion = ""
	o.Logging.IncludeBody = false
	if o.Retry.MaxRetryDelay == 0 {
		o.Retry.MaxRetryDelay = patience
	}
	// To azcore, 0 means no timeout.
	o.Retry.TryTimeout = max(cmp.Or(o.Retry.TryTimeout, DefaultTryTimeout), 0)
	o.Transport = newTransport(o.Transport)
	return &o
}

// Exchange posts the assertion to the tenant's token endpoint and returns the access token.
// ExpiresOn counts from just before the request was sent. RefreshOn is set if the reply had
// refresh_in.
//
// [ClientOptions] sets how often it tries and how long each try may take; ctx bounds all tries
// together. The error is one line, holds no part of the assertion, and wraps an [*Error] if a reply
// arrived.
func (c *Client) Exchange(ctx context.Context, r Request) (token azcore.AccessToken, err error) {
	r.CorrelationID = cmp.Or(r.CorrelationID, guid.New())
	ctx, span := trace.StartPipeline(ctx, c.azure.Tracer(), trace.Exchange, trace.Request{
		TenantID: r.TenantID, ClientID: r.ClientID, FMIPath: r.FMIPath, GrantType: r.Grant(), Scope: strings.Join(r.Scopes, " "),
	})
	// This stands unless the exchange returns.
	err = errors.New("exchange: the transport or a policy panicked")
	defer func() { trace.End(span, r.CorrelationID, err) }()
	token, err = c.exchange(ctx, r)
	return token, err
}

func (c *Client) exchange(ctx context.Context, r Request) (azcore.AccessToken, error) {
	try := &attempt{sent: time.Now(), onRefusal: r.OnRefusal, secrets: redact.New(r.Assertion, r.UserAssertion, r.UserFederatedCredential)}
	resp, err := c.post(context.WithValue(ctx, attemptKey{}, try), r) //nolint:bodyclose // the pipeline has read and closed it
	if resp == nil {
		return azcore.AccessToken{}, try.secrets.Error(fmt.Errorf("exchange: %w", err))
	}
	return try.read(resp, err)
}

// post sends the request. If both results are set, the reply could not be read to the end, or no
// retry waited for its Retry-After. Without a reply, the error may quote anything, secrets
// included.
func (c *Client) post(ctx context.Context, r Request) (*http.Response, error) {
	form, err := r.form()
	if err != nil {
		return nil, err
	}
	endpoint := c.authority.JoinPath(r.TenantID, "oauth2/v2.0/token").String() // #nosec G125 -- form refuses a tenant that could change the path
	req, err := newRequest(ctx, endpoint, form, r.CorrelationID)
	if err != nil {
		return nil, err
	}
	resp, err := c.azure.Pipeline().Do(req)
	if err != nil {
		err = named(err, endpoint)
	}
	return resp, err
}

// answered is a policy that turns a missing reply without an error into an error. azcore's retry
// policy panics on it.
type answered struct{}

// Do implements [policy.Policy].
func (answered) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if resp == nil && err == nil {
		err = &finalError{errors.New("a policy returned neither a reply nor an error")}
	}
	return resp, err
}

// observed is a policy that reports each refusal, because azcore's retry policy hides all but the
// last.
type observed struct{}

// Do implements [policy.Policy].
func (observed) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	try, ok := req.Raw().Context().Value(attemptKey{}).(*attempt)
	if ok && try.onRefusal != nil && err == nil && resp.StatusCode != http.StatusOK {
		_, problem := try.read(resp, nil)
		if refusal, ok := errors.AsType[*Error](problem); ok {
			try.onRefusal(refusal)
		}
	}
	return resp, err
}

// TokenProxy reports whether requests go to the token proxy of an identity binding instead of the
// authority.
func (c *Client) TokenProxy() bool { return c.binding != nil }

// Host returns the host that receives assertions: the authority's or the token proxy's.
func (c *Client) Host() string {
	if c.binding != nil {
		return c.binding.proxy.Host
	}
	return c.authority.Host
}

// newRequest returns the token request. Every try sends the same client-request-id, which Entra ID
// uses as the correlation ID. Its support finds a request by it.
func newRequest(ctx context.Context, endpoint, form, correlationID string) (*policy.Request, error) {
	req, err := runtime.NewRequest(ctx, http.MethodPost, endpoint)
	if err != nil {
		return nil, err
	}
	req.Raw().Header.Set("Accept", "application/json")
	req.Raw().Header.Set("client-request-id", correlationID)
	req.Raw().Header.Set("return-client-request-id", "true")
	return req, req.SetBody(streaming.NopCloser(strings.NewReader(form)), "application/x-www-form-urlencoded")
}

// named adds the endpoint to the error of a transport that does not name it. net/http's does.
func named(err error, endpoint string) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return err
	}
	return fmt.Errorf("POST %s: %w", endpoint, err)
}
