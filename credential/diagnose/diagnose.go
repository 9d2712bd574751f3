package diagnose

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/tokenfile"
)

// Options of [Run]. The zero value is right in a pod that the workload identity webhook set up.
type Options struct {
	// Credential is what the program gives to [credential.New]. Default: everything comes from the environment. A PropagationTimeout
	// of zero is none here, so that a diagnosis does not take 15 seconds longer than it need.
	Credential credential.Options

	// Scope is what a token is asked for. Default: that of Azure Resource Manager, "https://management.azure.com/.default", or what
	// the authority's cloud has in its place.
	Scope string

	// Resource is an https URL that is asked, by GET, with the access token. The token goes to its host and nowhere else: redirects
	// are not followed. Default: none, and no link for it in the report.
	Resource string

	// HTTPClient fetches the issuer's documents and the resource; those requests do not go through Credential.Transport. It is
	// copied, with redirects and cookies off. Default: a client of its own.
	HTTPClient *http.Client
}

// Run walks the chain and reports on every link. It stops at nothing: what cannot be looked at because of an earlier failure is
// reported as not reached. Nil options are fine.
//
// It reads the token file twice, sends one request to Entra ID (more where azcore retries), two to the token's issuer, and one to
// the resource, if there is one. The issuer is what the token says, unverified: it must be https, gets nothing of the token,
// is not followed to another place, and at most 1 MiB of a reply is read.
//
// When ctx ends it reports what it has. Without that, each request may take 10 seconds, and reading the federated token and the
// exchange 30 seconds each. Concurrent runs do not share anything.
func Run(ctx context.Context, options *Options) Report {
	w := newWalk(options)
	start := time.Now()
	for i := range w.links {
		l := &w.links[i]
		began := time.Now()
		chain[i].check(ctx, w, l)
		l.Took = time.Since(began)
		l.Transient = l.Transient || l.Mark == Failure && ctx.Err() != nil // time ran out: nothing is known to be wrong
	}
	return w.report(start)
}

// chain has the links in their order, and what looks at each.
var chain = []struct {
	name  Name
	check func(context.Context, *walk, *Link)
}{
	{Environment, checkEnvironment},
	{TokenFile, checkTokenFile},
	{ServiceAccount, checkServiceAccount},
	{Issuer, checkIssuer},
	{FederatedCredential, checkExchange},
	{AccessToken, checkAccessToken},
	{Resource, checkResource}, // the last, for a report may be without it
}

// walk is what is known on the way.
type walk struct {
	options *Options
	http    *http.Client
	links   []Link

	scope  string
	cred   *credential.Credential // nil: it could not be made
	raw    string                 // federated token
	token  *tokenfile.Token       // nil: it could not be read
	access azcore.AccessToken

	objectID string // of the identity, which roles are assigned to; or what stands for it
}

func newWalk(options *Options) *walk {
	if options == nil {
		options = &Options{}
	}
	w := &walk{options: options, http: client(options.HTTPClient), objectID: "OBJECT-ID"}
	for _, link := range chain {
		if link.name != Resource || options.Resource != "" {
			w.links = append(w.links, Link{Name: link.name, Mark: NotReached})
		}
	}
	return w
}

func (w *walk) link(name Name) *Link {
	for i := range w.links {
		if w.links[i].Name == name {
			return &w.links[i]
		}
	}
	return nil
}

// report makes everything fit to print, whatever said it: one place that nothing gets past.
func (w *walk) report(start time.Time) Report {
	federated, access := redact.New(w.raw), redact.New(w.access.Token) // once: a token may have a megabyte
	clean := func(s string) string { return access.Clean(federated.Text(s, redact.MaxText)) }
	for i := range w.links {
		w.links[i].each(clean)
	}
	r := Report{Started: start.UTC().Round(0), Took: time.Since(start), Links: w.links, Notice: notice}
	r.Verdict = verdict(w.links)
	return r
}

func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }
