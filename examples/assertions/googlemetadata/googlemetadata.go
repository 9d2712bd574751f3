// Package googlemetadata signs a workload on Google Cloud in to Microsoft Entra ID without a
// service account key. It gets the service account's identity token from the metadata server, for
// credential.Options.Assertion. It works wherever the metadata server answers: Compute Engine, GKE
// with Workload Identity Federation, Cloud Run. It has no dependencies; copy the file.
//
// # In Entra ID
//
// The app registration or user-assigned managed identity needs a federated credential. Entra ID
// compares all three values exactly:
//
//	issuer    https://accounts.google.com
//	subject   the service account's unique ID, a 21-digit number, not its email address
//	audience  api://AzureADTokenExchange
//
// This prints the unique ID:
//
//	gcloud iam service-accounts describe EMAIL --format='value(uniqueId)'
//
// # Sources
//
// The request and the token's claims:
// https://cloud.google.com/compute/docs/instances/verifying-instance-identity. The header, in
// request and reply, and why the IP address is used instead of the name: Google's own client,
// https://github.com/googleapis/google-cloud-go/blob/main/compute/metadata/metadata.go. The
// federated credential: https://blog.identitydigest.com/azuread-federate-gcp/.
package googlemetadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Audience is the audience that Entra ID and the federated credential expect.
const Audience = "api://AzureADTokenExchange"

// DefaultEndpoint is the endpoint of the instance's own service account. It answers only inside
// Google Cloud, over plain HTTP.
const DefaultEndpoint = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/identity"

const (
	flavor   = "Metadata-Flavor"
	google   = "Google"
	maxReply = 64 << 10 // bytes; a token has about 1 KiB
)

// Options configures [New]. The zero value is ready to use on Google Cloud.
type Options struct {
	// Audience is the token's audience. Default: [Audience].
	Audience string

	// Endpoint is the metadata server's URL, without a query. Default: [DefaultEndpoint].
	Endpoint string

	// Client sends the request. It is copied, and the copy follows no redirects. Default: a client
	// that uses no proxy, because the token must not pass through one, and that gives up after 2 s
	// without a connection.
	Client *http.Client
}

// New returns a function for credential.Options.Assertion. The function is safe for concurrent use
// and sends a request at each call. The credential calls it once per exchange and caches the access
// token.
//
// The function does not retry. The credential remembers the failure, backs off and calls again.
// Errors never contain a token. The context bounds the request.
func New(options *Options) func(context.Context) (string, error) {
	if options == nil {
		options = &Options{}
	}
	s := source{
		audience: cmp.Or(options.Audience, Audience),
		endpoint: cmp.Or(options.Endpoint, DefaultEndpoint),
		client:   http.Client{Transport: directly()},
	}
	if options.Client != nil {
		s.client = *options.Client
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s.assertion
}

// directly returns a transport without a proxy. Outside Google Cloud, packets to the endpoint are
// usually dropped, and the dialer's default timeout would use up the exchange's time.
func directly() *http.Transport {
	return &http.Transport{DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, IdleConnTimeout: time.Minute}
}

type source struct {
	audience, endpoint string
	client             http.Client
}

func (s *source) assertion(ctx context.Context) (string, error) {
	token, err := s.fetch(ctx)
	if err != nil {
		return "", fmt.Errorf("googlemetadata: %w", err)
	}
	return token, nil
}

func (s *source) fetch(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint+"?"+url.Values{"audience": {s.audience}}.Encode(), nil)
	if err != nil {
		return "", fmt.Errorf("malformed Options.Endpoint: %w", err)
	}
	request.Header.Set(flavor, google) // protects against request forgery, where an attacker cannot set headers
	response, err := s.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("no reply from the metadata server: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", refusal(response.StatusCode)
	}
	if response.Header.Get(flavor) != google {
		return "", errors.New("not Google's metadata server: the reply lacks the header Metadata-Flavor: Google")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return "", fmt.Errorf("read the metadata server's reply: %w", err)
	}
	if len(body) > maxReply {
		return "", fmt.Errorf("the metadata server's reply is longer than %d bytes", maxReply)
	}
	token := strings.TrimSpace(string(body))
	if strings.Count(token, ".") != 2 {
		return "", errors.New("the metadata server's reply is not a token")
	}
	return token, nil
}

// refusal does not quote the body, which could contain a token.
func refusal(status int) error {
	text := fmt.Sprintf("the metadata server answered %d %s", status, http.StatusText(status))
	if status == http.StatusNotFound {
		text += "; does this machine, service or pod have a service account?"
	}
	return errors.New(text)
}
