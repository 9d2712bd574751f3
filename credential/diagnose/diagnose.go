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

// Options configure [Run]. The zero value suits a pod that the workload identity webhook set up.
type Options struct {
	// Credential holds the options that the program passes to [credential.New]. Default: all
	// settings come from the environment. Here a PropagationTimeout of zero means no retries, so
	// that a diagnosis takes no longer than necessary.
	Credential credential.Options

	// Scope is the scope of the access token. Default: the scope of Resource, if its host belongs
	// to a known service; otherwise that of Azure Resource Manager in the authority's cloud, such
	// as "https://management.azure.com/.default".
	Scope string

	// Agent is the client ID of an agent identity (Microsoft Entra Agent ID). Its blueprint is the
	// application that Credential signs in as. With Agent, the access token is the agent's, and the
	// report has two more links, [BlueprintToken] and [AgentToken]. Default: none.
	Agent string

	// Resource is an https URL to GET with the access token. The token goes only to its host:
	// redirects are not followed. Default: none, and the report has no link for it.
	Resource string

	// HTTPClient fetches the issuer's documents, the resource and, if the tenant does not exist, a
	// document of Entra ID. Those requests do not use Credential.Transport. Run copies the client
	// and turns off redirects and cookies. Default: a new client that uses the proxy from the
	// environment.
	HTTPClient *http.Client
}

// Run checks every link of the chain and reports what it finds. An earlier failure does not stop
// it: links that can then not be checked are reported as [NotReached]. options may be nil.
//
// Run reads the federated token twice. To Entra ID it sends one request, more if azcore retries or
// Options.Agent is set, and one more if the tenant does not exist. To the token's issuer it sends
// at most two requests. To the resource, if there is one, it sends one request with the token, and
// possibly one without, to see whether the resource checks it. Run does not verify the token before
// it contacts the issuer that the token names. It fetches only https URLs, sends no part of the
// token, and follows no redirects. It reads at most 1 MiB of a reply.
//
// If ctx ends, Run reports what it has. Each request takes at most 10 seconds; reading the
// federated token takes at most 30 seconds. So does an exchange, unless
// Credential.PropagationTimeout is set. Runs may be concurrent; they share nothing.
func Run(ctx context.Context, options *Options) Report {
	w := newWalk(options)
	start := time.Now()
	for _, part := range chain {
		if l := w.link(part.name); l != nil {
			began := time.Now()
			part.check(ctx, w, l)
			l.Took = time.Since(began)
		}
	}
	return w.report(start)
}

// chain lists the links in order, with the function that checks each.
var chain = []struct {
	name  LinkName
	check func(context.Context, *walk, *Link)
}{
	{Environment, checkEnvironment},
	{TokenFile, checkTokenFile},
	{ServiceAccount, checkServiceAccount},
	{Issuer, checkIssuer},
	{FederatedCredential, checkExchange},
	{BlueprintToken, checkStep},
	{AgentToken, checkStep},
	{AccessToken, checkAccessToken},
	{Resource, checkResource},
}

// wanted reports whether the report includes the link.
func (o *Options) wanted(name LinkName) bool {
	switch name {
	case BlueprintToken, AgentToken:
		return o.Agent != ""
	case Resource:
		return o.Resource != ""
	}
	return true
}

// walk is the state of one run.
type walk struct {
	options *Options
	http    *http.Client
	links   []Link

	scope  string
	proxy  string                 // host of the HTTP proxy to Entra ID; empty if none
	cred   *credential.Credential // the workload's; nil if it could not be created
	signIn *credential.Credential // requests the access token: the agent's, or else cred
	raw    string                 // federated token
	token  *tokenfile.Token       // nil if it could not be read
	access azcore.AccessToken

	objectID string // the identity's, for role assignments; a placeholder if unknown
}

func newWalk(options *Options) *walk {
	if options == nil {
		options = &Options{}
	}
	w := &walk{options: options, http: client(options.HTTPClient), objectID: "OBJECT-ID"}
	for _, link := range chain {
		if options.wanted(link.name) {
			w.links = append(w.links, Link{Name: link.name, Mark: NotReached})
		}
	}
	return w
}

func (w *walk) link(name LinkName) *Link {
	for i := range w.links {
		if w.links[i].Name == name {
			return &w.links[i]
		}
	}
	return nil
}

// report assembles the report and redacts every text in it, wherever it came from.
func (w *walk) report(start time.Time) Report {
	federated, access := redact.New(w.raw), redact.New(w.access.Token) // only once: a token may be 1 MiB
	settings := w.misplaced()
	clean := func(s string) string { return settings.Replace(access.Clean(federated.Text(s, redact.MaxText))) }
	for i := range w.links {
		w.links[i].each(clean)
	}
	r := Report{Started: start.UTC().Round(0), Took: time.Since(start), Links: w.links, Notice: notice}
	r.Verdict = verdict(w.links)
	return r
}

// misplaced replaces the settings that are not safe to show, which errors and Entra ID may quote.
func (w *walk) misplaced() *strings.Replacer {
	var pairs []string
	for _, setting := range []string{w.scope, w.options.Agent} {
		if shown := redact.URL(setting); shown != setting {
			pairs = append(pairs, setting, shown)
		}
	}
	return strings.NewReplacer(pairs...)
}

func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }
