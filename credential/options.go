package credential

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/tokenfile"
)

// The environment of a pod that the workload identity webhook set up
// (https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html).
const (
	envClientID      = "AZURE_CLIENT_ID"
	envTenantID      = "AZURE_TENANT_ID"
	envTokenFile     = "AZURE_FEDERATED_TOKEN_FILE"
	envAuthorityHost = "AZURE_AUTHORITY_HOST"
	envRegion        = "AZURE_REGIONAL_AUTHORITY_NAME"

	// Of AKS identity bindings.
	envTokenProxy = "AZURE_KUBERNETES_TOKEN_PROXY"
	envSNIName    = "AZURE_KUBERNETES_SNI_NAME"
	envCAFile     = "AZURE_KUBERNETES_CA_FILE"
	envCAData     = "AZURE_KUBERNETES_CA_DATA"
)

// Options of a [Credential]. The zero value is right in a pod that the workload identity webhook set up. An option wins
// over the environment; an empty value is a missing one; white space around a value is ignored.
type Options struct {
	// ClientOptions configure how the token request is sent, as for any Azure SDK client; [exchange.ClientOptions] tells
	// what is bent for safety. The authority is Cloud.ActiveDirectoryAuthorityHost, then AZURE_AUTHORITY_HOST, then the
	// public cloud's.
	azcore.ClientOptions

	// ClientID is the application (client) ID of the managed identity or app registration. Default: AZURE_CLIENT_ID.
	ClientID string

	// TenantID is the GUID or domain name of the identity's tenant. Default: AZURE_TENANT_ID.
	TenantID string

	// TokenFilePath is the file with the federated token, which something else keeps fresh. It is read anew for each
	// exchange. Default: AZURE_FEDERATED_TOKEN_FILE.
	TokenFilePath string

	// Assertion returns the federated token, instead of the file. It is called anew for each exchange, so it need not
	// cache, from several goroutines at once. Its context ends with the exchange's time. White space around the token is
	// ignored. Its errors are wrapped, and appear in GetToken's: on one line, at most 2 KiB of them, and without what looks like
	// a token. [errors.As] finds what they lead to, unless they held one; [errors.Is] finds it even so.
	Assertion func(context.Context) (string, error)

	// AdditionallyAllowedTenants are tenants other than TenantID that GetToken may be asked for. "*" allows any.
	AdditionallyAllowedTenants []string

	// EnableAzureProxy sends token requests to the token proxy of an AKS identity binding, if the environment names one:
	// AZURE_KUBERNETES_TOKEN_PROXY, and AZURE_KUBERNETES_SNI_NAME, AZURE_KUBERNETES_CA_FILE or AZURE_KUBERNETES_CA_DATA. Without
	// one, requests go to Entra ID. HTTPS_PROXY does not apply to the proxy, which is inside the cluster.
	EnableAzureProxy bool

	// PropagationTimeout is the time, for one tenant and scope, in which refusals are retried that pass by themselves once
	// Entra ID's directories agree on a new federated credential. It starts with the first such refusal, and again only after
	// a success. Zero means 15 seconds; negative means no retries.
	PropagationTimeout time.Duration

	// MaxTokens bounds the access tokens held; beyond it, expired ones go first, then the least recently used. Zero or negative
	// means 131,072.
	MaxTokens int

	// Logger is told of exchanges (info), failed ones (error, or warning if nobody waited when the exchange began), throttling
	// (warning) and retries of refusals that may pass (info). Nil: silent.
	Logger *slog.Logger

	// OnExchange is called once for each exchange: when it finishes or, if it ignores its context, when it is given up. Callers that
	// wait for the token wait for it, so it must be quick, and safe for concurrent use. A panic in it fails the exchange.
	OnExchange func(ExchangeEvent)
}

// ErrNotConfigured is in the chain of [New]'s error when none of AZURE_CLIENT_ID, AZURE_TENANT_ID and
// AZURE_FEDERATED_TOKEN_FILE is set and the options do not make up for it: this is no pod with a workload identity, and a
// program that can sign in otherwise should.
var ErrNotConfigured = errors.New("no workload identity is configured here")

// settings is what [New] works with: options and environment, resolved and valid.
type settings struct {
	clientID string
	tenants  tenants
	source   source
	client   *exchange.Client
	binding  bool
}

// resolve reports everything that is wrong at once: whoever mends a deployment wants one round, not five.
func resolve(o *Options) (settings, error) {
	var s settings
	var errs problems
	s.clientID = errs.require(o.ClientID, envClientID, "Options.ClientID")
	tenantID := errs.require(o.TenantID, envTenantID, "Options.TenantID")
	s.source = newSource(o, &errs)
	if len(errs) > 0 && env(envClientID) == "" && env(envTenantID) == "" && env(envTokenFile) == "" {
		errs.add(errNotInjected)
	}
	switch {
	case strings.HasPrefix(strings.ToLower(s.clientID), "/subscriptions/"):
		errs.addf("%s (or Options.ClientID) is an ARM resource ID, %q: set the client ID of that identity, a GUID: az identity show --ids %[2]s --query clientId", envClientID, s.clientID)
	case redact.New("").Clean(s.clientID) != s.clientID && !strings.Contains(s.clientID, "://"): // an application ID URI is no token
		errs.addf("%s (or Options.ClientID) looks like a token: set the client ID, a GUID", envClientID)
	}
	if tenantID != "" && !exchange.ValidTenantID(tenantID) {
		errs.addf("%s (or Options.TenantID) is %q: a tenant is a GUID or a domain name", envTenantID, tenantID)
	}
	if o.Assertion != nil && o.TokenFilePath != "" {
		errs.addf("Options.Assertion and Options.TokenFilePath are both set: set the one that the token comes from")
	}
	s.tenants = newTenants(tenantID, o.AdditionallyAllowedTenants, &errs)
	binding := newBinding(o, &errs)
	s.client, s.binding = newClient(o, binding, &errs), binding != nil
	return s, errs.err()
}

// newSource returns where the federated token comes from.
func newSource(o *Options, errs *problems) source {
	if o.Assertion != nil {
		return funcSource(o.Assertion)
	}
	return fileSource(tokenfile.New(errs.require(o.TokenFilePath, envTokenFile, "Options.TokenFilePath")))
}

// newBinding returns the identity binding that the environment describes, or nil.
func newBinding(o *Options, errs *problems) *exchange.IdentityBinding {
	if !o.EnableAzureProxy {
		return nil
	}
	b := &exchange.IdentityBinding{TokenProxy: env(envTokenProxy), SNIName: env(envSNIName), CAFile: env(envCAFile), CAData: env(envCAData)}
	switch {
	case b.TokenProxy == "" && (b.SNIName != "" || b.CAFile != "" || b.CAData != ""):
		errs.addf("%s is not set, but %s, %s or %s is: set it to the proxy's URL, or none of them", envTokenProxy, envSNIName, envCAFile, envCAData)
		return nil
	case b.TokenProxy == "":
		return nil
	case b.CAFile != "" && b.CAData != "":
		errs.addf("%s and %s are both set: set one", envCAFile, envCAData)
		return nil
	}
	return b
}

// newClient resolves the authority and makes the client for it.
func newClient(o *Options, binding *exchange.IdentityBinding, errs *problems) *exchange.Client {
	options := exchange.ClientOptions{ClientOptions: o.ClientOptions, Region: env(envRegion), IdentityBinding: binding}
	settings := map[string]string{"Authority": "Options.Cloud", "Region": envRegion, "IdentityBinding": bindingSettings(binding)}
	if o.Cloud.ActiveDirectoryAuthorityHost == "" && len(o.Cloud.Services) == 0 {
		options.Authority, settings["Authority"] = env(envAuthorityHost), envAuthorityHost
	}
	client, err := exchange.NewClient(&options)
	if wrong, ok := errors.AsType[exchange.OptionErrors](err); ok {
		for _, e := range wrong {
			errs.addf("%s: %w", settings[e.Option], e.Err) // by the name that the user knows it by
		}
	} else if err != nil {
		errs.add(err)
	}
	return client
}

// bindingSettings names the variables that an identity binding was made of.
func bindingSettings(b *exchange.IdentityBinding) string {
	names := []string{envTokenProxy}
	if b != nil && b.CAFile != "" {
		names = append(names, envCAFile)
	}
	if b != nil && b.CAData != "" {
		names = append(names, envCAData)
	}
	if b != nil && b.SNIName != "" {
		names = append(names, envSNIName)
	}
	return strings.Join(names, ", ")
}

func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }
