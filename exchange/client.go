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
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/trace"
	"github.com/entrafed/entrafed/internal/version"
)

// patience is the longest Retry-After that a retry waits for. Whoever waits for a token would rather have an answer; a longer
// pause is for the caller to remember ([Error.RetryAfter]).
const patience = 5 * time.Second

// ClientOptions of a [Client]. The zero value is ready to use, for the public cloud.
type ClientOptions struct {
	// ClientOptions are azcore's, and mean what they mean there, except:
	//   - Transport: an *http.Client is copied, with its redirect policy off
	//   - Retry.MaxRetryDelay is 5 s by default: a longer Retry-After ends the exchange at once
	//   - Logging.IncludeBody is ignored, because the bodies are secrets
	//   - InsecureAllowCredentialWithHTTP and APIVersion are ignored
	azcore.ClientOptions

	// Authority is the URL that a tenant's endpoints lie under, such as "https://login.microsoftonline.us". It must be
	// https. The default is Cloud.ActiveDirectoryAuthorityHost, then the public cloud's.
	Authority string

	// Region makes requests go to Entra ID's endpoint in an Azure region, such as "westeurope": {region}.login.microsoft.com
	// for the public cloud, {region}.{host} for others. Entra ID documents it for few kinds of requests (AADSTS100007).
	Region string

	// IdentityBinding sends requests to the token proxy of an AKS identity binding. Nil sends them to the authority.
	IdentityBinding *IdentityBinding
}

// Client exchanges assertions for access tokens. Make one with [NewClient]. It is safe for concurrent use and holds no secret.
type Client struct {
	authority *url.URL
	binding   *bindingTransport // nil if requests go to the authority
	azure     *azcore.Client
}

// NewClient returns a client. Nil options are fine. It sends nothing, and reads no file but the CA's of an identity binding.
// Its error is an [OptionErrors] that tells everything that is wrong.
func NewClient(options *ClientOptions) (*Client, error) {
	if options == nil {
		options = &ClientOptions{}
	}
	var wrong OptionErrors
	authority, err := parseAuthority(options)
	if err != nil {
		wrong.add("Authority", err)
	} else if err := regionalize(authority, options.Region); err != nil {
		wrong.add("Region", err)
	}
	c := &Client{authority: authority}
	pipeline := pipelineOptions(options.ClientOptions)
	if options.IdentityBinding != nil {
		c.binding, err = newBindingTransport(*options.IdentityBinding, options.Transport)
		if err != nil {
			wrong.add("IdentityBinding", err)
		}
		pipeline.Transport = transport{c.binding}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	c.azure, err = azcore.NewClient(version.Module, version.Version, runtime.PipelineOptions{}, pipeline)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	return c, nil
}

// pipelineOptions bends a copy of the user's options where safety asks for it.
func pipelineOptions(o azcore.ClientOptions) *azcore.ClientOptions {
	o.APIVersion = ""
	o.Logging.IncludeBody = false
	if o.Retry.MaxRetryDelay == 0 {
		o.Retry.MaxRetryDelay = patience
	}
	o.Transport = newTransport(o.Transport)
	return &o
}

// Exchange posts the assertion to the tenant's token endpoint and returns the access token. ExpiresOn counts from before
// the request was sent; RefreshOn is set if the reply had refresh_in.
//
// It waits for a reply as long as ctx lets it: give ctx a deadline. Retries are those of [azcore.ClientOptions]. The error is one
// line, without anything of the assertion, and an [*Error] if a reply came.
func (c *Client) Exchange(ctx context.Context, r Request) (token azcore.AccessToken, err error) {
	r.CorrelationID = cmp.Or(r.CorrelationID, guid.New())
	ctx, span := trace.StartPipeline(ctx, c.azure.Tracer(), trace.Exchange, r.TenantID, strings.Join(r.Scopes, " "))
	err = errors.New("exchange: the transport or a policy panicked") // unless it returns
	defer func() { trace.End(span, r.CorrelationID, err) }()
	token, err = c.exchange(ctx, r)
	return token, err
}

func (c *Client) exchange(ctx context.Context, r Request) (azcore.AccessToken, error) {
	secrets := redact.New(r.Assertion)
	form, err := r.form()
	if err != nil {
		return azcore.AccessToken{}, secrets.Error(fmt.Errorf("exchange: %s", strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	endpoint := c.authority.JoinPath(r.TenantID, "oauth2/v2.0/token").String() // #nosec G125 -- form has refused a tenant with a slash, or of dots
	try := &attempt{sent: time.Now(), secrets: secrets}
	req, err := newRequest(context.WithValue(ctx, attemptKey{}, try), endpoint, form, r.CorrelationID)
	if err != nil {
		return azcore.AccessToken{}, secrets.Error(fmt.Errorf("exchange: %w", err))
	}
	resp, err := c.azure.Pipeline().Do(req) //nolint:bodyclose // the pipeline has read it to its end, and closed it
	if err != nil && resp != nil {
		return azcore.AccessToken{}, unreadable(resp, named(err, endpoint), secrets)
	}
	if err != nil {
		return azcore.AccessToken{}, secrets.Error(fmt.Errorf("exchange: %w", named(err, endpoint)))
	}
	return readReply(resp, try.sent, secrets)
}

// Host returns the host that assertions are sent to: the authority's, or the token proxy's.
func (c *Client) Host() string {
	if c.binding != nil {
		return c.binding.proxy.Host
	}
	return c.authority.Host
}

// newRequest makes the one POST. Every attempt at it has the same client-request-id, which Entra ID takes for its
// correlation ID: the field by which its support finds a request.
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

// named adds the endpoint to an error of a transport that, unlike net/http's, does not name it.
func named(err error, endpoint string) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return err
	}
	return fmt.Errorf("POST %s: %w", endpoint, err)
}
