package credential

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/problems"
	"github.com/entrafed/entrafed/internal/webhook"
	"github.com/entrafed/entrafed/tokenfile"
)

// The environment of a pod that the workload identity webhook set up
// (https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html).
const (
	envClientID      = webhook.EnvClientID
	envTenantID      = webhook.EnvTenantID
	envTokenFile     = webhook.EnvTokenFile
	envAuthorityHost = webhook.EnvAuthority
	envRegion        = "AZURE_REGIONAL_AUTHORITY_NAME"

	// For AKS identity bindings.
	envTokenProxy = webhook.EnvTokenProxy
	envSNIName    = webhook.EnvSNIName
	envCAFile     = webhook.EnvCAFile
	envCAData     = webhook.EnvCAData
)

// Options configure a [Credential]. The zero value is right in a pod that the workload identity
// webhook set up. An option takes precedence over the environment. An empty value counts as
// missing, and white space around a value is ignored.
type Options struct {
	// ClientOptions configure how the token request is sent, as for any Azure SDK client;
	// [exchange.ClientOptions] lists the exceptions made for safety. The authority is
	// Cloud.ActiveDirectoryAuthorityHost, then AZURE_AUTHORITY_HOST, then the public cloud's.
	azcore.ClientOptions

	// ClientID is the application (client) ID of the managed identity or app registration. Default:
	// AZURE_CLIENT_ID.
	ClientID string

	// TenantID is the GUID or domain name of the identity's tenant. Default: AZURE_TENANT_ID.
	TenantID string

	// TokenFilePath is the file with the federated token. Another program, such as the kubelet,
	// keeps it fresh. Each exchange reads it again. Default: AZURE_FEDERATED_TOKEN_FILE.
	TokenFilePath string

	// Assertion returns the federated token, instead of the file. It is called for each exchange,
	// from several goroutines at once, so it need not cache. Its context ends when the exchange
	// times out. It carries no values from a caller of GetToken, because an exchange belongs to no
	// caller: a function that needs such a value must capture it, or the program uses a [Pool].
	// White space around the token is ignored. GetToken wraps its errors and prints them on one
	// line, shortened, and without anything that looks like a token. [errors.Is] finds the errors
	// that they wrap; so does [errors.As], unless they held a token.
	Assertion func(context.Context) (string, error)

	// AdditionallyAllowedTenants are tenants other than TenantID that callers of GetToken may name.
	// "*" allows any.
	AdditionallyAllowedTenants []string

	// EnableAzureProxy sends token requests to the token proxy of an AKS identity binding, if the
	// environment names one: AZURE_KUBERNETES_TOKEN_PROXY, with AZURE_KUBERNETES_SNI_NAME and
	// AZURE_KUBERNETES_CA_FILE or AZURE_KUBERNETES_CA_DATA. Otherwise requests go to Entra ID.
	// HTTPS_PROXY does not apply to the token proxy, which is inside the cluster.
	EnableAzureProxy bool

	// IdentityBinding sends token requests to the token proxy of an AKS identity binding that the
	// program describes itself. It takes precedence over EnableAzureProxy and the environment.
	// Default: nil.
	IdentityBinding *exchange.IdentityBinding

	// PropagationTimeout limits how long refusals that usually clear up, such as those right after
	// creating a federated credential, are retried for one tenant and scope while a caller waits.
	// The time starts at the first such refusal and restarts only after a success. Zero means 15 s;
	// negative means no retries.
	PropagationTimeout time.Duration

	// MaxTokens bounds the access tokens held; see [cache.Options]. Zero or negative means
	// [cache.DefaultMaxTokens].
	MaxTokens int

	// Logger receives exchanges (info), failed ones (error, or warning if nobody waited when the
	// exchange began), throttling (warning) and retries of refusals that may clear up (info). It is
	// called on goroutines that nobody waits for. Nil disables logging.
	Logger *slog.Logger

	// OnExchange is called once for each exchange: when it has finished and its token is stored or,
	// if the exchange ignores its context, when it is given up. Nobody waits for OnExchange, and
	// its panics are dropped. It must be safe for concurrent use.
	OnExchange func(ExchangeEvent)
}

// ErrNotConfigured is in the chain of [New]'s error when none of AZURE_CLIENT_ID, AZURE_TENANT_ID
// and AZURE_FEDERATED_TOKEN_FILE is set and the options do not supply them: the program does not
// run in a pod with a workload identity. Fall back to another credential.
var ErrNotConfigured = errors.New("no workload identity is configured here")

// resolve reports all problems at once, so that fixing a deployment takes one round, not five.
func resolve(o *Options) (*Credential, error) {
	var errs problems.List
	id := Identity{
		ClientID: require(&errs, o.ClientID, envClientID, "Options.ClientID"),
		TenantID: require(&errs, o.TenantID, envTenantID, "Options.TenantID"),
	}
	path := ""
	if o.Assertion == nil {
		path = require(&errs, o.TokenFilePath, envTokenFile, "Options.TokenFilePath")
	}
	errs = causeFirst(errs)
	id.check(&errs, envTenantID+" (or Options.TenantID)", envClientID+" (or Options.ClientID)")
	if o.Assertion != nil && o.TokenFilePath != "" {
		errs.Addf("Options.Assertion and Options.TokenFilePath are both set: set only one")
	}
	binding, bindingName := o.IdentityBinding, "Options.IdentityBinding"
	if binding == nil {
		binding, bindingName = newBinding(o, &errs)
	}
	c := newCore(o, newSource(o, path, &errs), newAllowed("Options.AdditionallyAllowedTenants", o.AdditionallyAllowedTenants, &errs), binding, bindingName, &errs)
	if err := errs.Err("credential"); err != nil {
		return nil, err
	}
	return c.credential(id), nil
}

// newSource returns where the federated token comes from.
func newSource(o *Options, path string, errs *problems.List) source {
	if o.Assertion != nil {
		return funcSource(o.Assertion)
	}
	return fileSource(tokenfile.New(meant(errs, envTokenFile+" (or Options.TokenFilePath)", path, "the path of the file that holds the federated token")))
}

// newBinding returns the identity binding that the environment describes, or nil, and the names of
// the variables that describe it.
func newBinding(o *Options, errs *problems.List) (_ *exchange.IdentityBinding, names string) {
	if !o.EnableAzureProxy {
		return nil, ""
	}
	before := len(*errs)
	b := &exchange.IdentityBinding{
		TokenProxy: meant(errs, envTokenProxy, env(envTokenProxy), "the proxy's https URL"),
		SNIName:    meant(errs, envSNIName, env(envSNIName), "the proxy's server name"),
		CAFile:     meant(errs, envCAFile, env(envCAFile), "the path of the proxy's CA certificate"),
		CAData:     env(envCAData),
	}
	switch {
	case len(*errs) > before:
		return nil, ""
	case b.TokenProxy == "" && (b.SNIName != "" || b.CAFile != "" || b.CAData != ""):
		errs.Addf("%s is not set, but %s, %s or %s is: set it to the proxy's URL, or unset the others", envTokenProxy, envSNIName, envCAFile, envCAData)
		return nil, ""
	case b.TokenProxy == "":
		return nil, ""
	case b.CAFile != "" && b.CAData != "":
		errs.Addf("%s and %s are both set: set only one; in a pod where the webhook sets both, set %[1]s to an empty value in the container's env, which the webhook keeps", envCAFile, envCAData)
		return nil, ""
	}
	names = envTokenProxy
	for _, part := range []struct{ value, variable string }{{b.CAFile, envCAFile}, {b.CAData, envCAData}, {b.SNIName, envSNIName}} {
		if part.value != "" {
			names += ", " + part.variable
		}
	}
	return b, names
}

// newClient resolves the authority and creates the client for it.
func newClient(o *Options, binding *exchange.IdentityBinding, bindingName string, errs *problems.List) *exchange.Client {
	region := meant(errs, envRegion, env(envRegion), "the name of a region, such as westeurope, or nothing")
	options := exchange.ClientOptions{ClientOptions: o.ClientOptions, Region: region, IdentityBinding: binding}
	names := map[string]string{"Authority": "Options.Cloud", "Region": envRegion, "IdentityBinding": bindingName}
	if o.Cloud.ActiveDirectoryAuthorityHost == "" && len(o.Cloud.Services) == 0 {
		options.Authority = meant(errs, envAuthorityHost, env(envAuthorityHost), "your cloud's authority, such as https://login.microsoftonline.com")
		names["Authority"] = envAuthorityHost
	}
	client, err := exchange.NewClient(&options)
	for _, err := range each(err) {
		if wrong, ok := errors.AsType[*exchange.OptionError](err); ok {
			// Use the user's name for the option.
			err = fmt.Errorf("%s: %w", names[wrong.Option], wrong.Err)
		}
		errs.Add(err)
	}
	return client
}

// each returns the errors that err joins; err itself if it joins none.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }
