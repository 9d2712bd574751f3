package broken

import (
	"errors"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	otherTenant = "33333333-4444-4555-8666-777777777777"
	objectID    = "99999999-8888-4777-8666-555555555555"
	proxyHost   = "token-proxy.example"
	bindingURI  = "api://AKSIdentityBinding"
)

var environments = []Setup{
	{
		Name: "not-injected", About: "the webhook did not change the pod: it has no variable at all",
		Words: []string{"no workload identity is configured here", `azure.workload.identity/use: "true"`, "pod template"},
		Break: without(EnvNames()...),
	},
	{
		Name: "client-id-missing", About: "the service account lacks the annotation with the client ID",
		Words: []string{"AZURE_CLIENT_ID is not set", "service account lacks the annotation azure.workload.identity/client-id"},
		Break: without(envClientID),
	},
	{
		Name: "tenant-missing", About: "the webhook was installed without a tenant",
		Words: []string{"AZURE_TENANT_ID is not set", "azureTenantID", "azure.workload.identity/tenant-id"},
		Break: without(envTenantID),
	},
	{
		Name: "token-file-unset", About: "somebody set the IDs by hand, but the pod lacks the webhook's label",
		Words: []string{"AZURE_FEDERATED_TOKEN_FILE is not set", `azure.workload.identity/use: "true"`, "pod template"},
		Break: without(envTokenFile),
	},

	{
		Name: "client-id-is-resource-id", About: "the client ID is the identity's ARM resource ID",
		Words: []string{"ARM resource ID", "--query clientId"},
		Break: with(envClientID, "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders"),
	},
	{
		Name: "client-id-is-name", About: "the client ID is the identity's name", Code: 700016,
		Words: []string{`client ID "orders-identity" is not a GUID`, "az identity show --query clientId"},
		Break: with(envClientID, "orders-identity"),
	},
	{
		Name: "client-id-is-tenant", About: "the client ID is the tenant's ID", Code: 700016,
		Words: []string{"tenant and the client ID are the same", "--query clientId"},
		Break: with(envClientID, tenantID),
	},
	{
		Name: "client-id-is-object-id", About: "the client ID is the identity's object (principal) ID", Code: 700016,
		Words: []string{`client ID "` + objectID + `" is not in tenant "` + tenantID, "object (principal) ID", "az identity show --query clientId"},
		Break: with(envClientID, objectID),
	},
	{
		Name: "identity-of-the-clusters-tenant", About: "the tenant is one that exists, but the identity is in the cluster's", Code: 700016,
		Words: []string{"perhaps in the AKS cluster's, " + tenantID, "az identity show --query tenantId", "--query clientId"},
		Break: func(p *Pod) error {
			p.Env[envTenantID] = otherTenant
			return p.Entra.AddApplication(otherTenant, objectID)
		},
	},

	{
		Name: "tenant-unknown", About: "the tenant does not exist", Code: 90002,
		Words: []string{"AKS cluster's, " + tenantID, "az identity show --query tenantId"},
		Break: with(envTenantID, otherTenant),
	},
	{
		Name: "tenant-unknown-own-cluster", About: "the tenant does not exist, and the cluster, which is none of AKS, tells no other", Code: 90002,
		Words: []string{`tenant "` + otherTenant + `" does not exist at "login.microsoftonline.com"`, "az account show --query tenantId", "az cloud show"},
		Break: func(p *Pod) error {
			p.Env[envTenantID] = otherTenant
			return p.ownCluster("https://oidc.shop.example/")
		},
	},
	{
		Name: "tenant-common", About: "the tenant is common, which stands for any", Code: 90002,
		Words: []string{`"common" is no tenant`, "AZURE_TENANT_ID"},
		Break: with(envTenantID, "common"),
	},
	{
		Name: "tenant-malformed", About: "the tenant is neither a GUID nor a domain name", Code: 900023,
		Words: []string{`tenant "contoso-" is neither a GUID nor a domain name`, "AZURE_TENANT_ID"},
		Break: with(envTenantID, "contoso-"),
	},
	{
		Name: "tenant-is-url", About: "the tenant is the URL of the portal's page",
		Words: []string{"AZURE_TENANT_ID (or Options.TenantID) is ", "a tenant is a GUID or a domain name"},
		Break: with(envTenantID, "https://portal.azure.com/"+tenantID),
	},
	{
		Name: "tenant-of-government", About: "the identity is in Azure Government, and the authority is the public cloud's", Code: 900382,
		Words: []string{"is of Azure Government, but the authority", "AZURE_AUTHORITY_HOST (or Options.Cloud) to https://login.microsoftonline.us"},
		Break: func(p *Pod) error {
			p.Env[envTenantID], p.Scope = otherTenant, "https://vault.usgovcloudapi.net/.default"
			return errors.Join(p.Entra.AddApplication(otherTenant, clientID), p.Entra.SetCloud(otherTenant, "login.microsoftonline.us"))
		},
	},
	{
		Name: "tenant-of-china", About: "the identity is in Azure China, and neither the authority nor the scope is", Code: 900382,
		Words: []string{`identity and the authority "login.microsoftonline.com" are of different clouds`, "AZURE_AUTHORITY_HOST (or Options.Cloud)"},
		Break: func(p *Pod) error {
			p.Env[envTenantID] = otherTenant
			return errors.Join(p.Entra.AddApplication(otherTenant, clientID), p.Entra.SetCloud(otherTenant, "login.partner.microsoftonline.cn"))
		},
	},

	{
		Name: "authority-of-another-cloud", About: "the authority is that of Azure Government, where the tenant is not", Code: 90002,
		Words: []string{"is of the public cloud, but the authority", "login.microsoftonline.us", "AZURE_AUTHORITY_HOST (or Options.Cloud)"},
		Break: with(envAuthority, "https://login.microsoftonline.us"),
	},
	{
		Name: "authority-without-tls", About: "the authority is not https",
		Words: []string{`AZURE_AUTHORITY_HOST: authority "http://login.microsoftonline.com" is not an https URL`},
		Break: with(envAuthority, "http://login.microsoftonline.com"),
	},
	{
		Name: "authority-misspelled", About: "the authority is a host that does not exist",
		Words: []string{"https://login.microsoftonlin.com/", "no such host"},
		Break: with(envAuthority, "https://login.microsoftonlin.com"),
	},
	{
		Name: "region-set", About: "the requests go to the endpoint of a region, which takes none of this kind", Code: 100007,
		Words: []string{"AZURE_REGIONAL_AUTHORITY_NAME sends the request to a region", "unset AZURE_REGIONAL_AUTHORITY_NAME"},
		Break: with(envRegion, "westeurope"),
	},
	{
		Name: "region-autodetect", About: "the region is to be detected, as MSAL can",
		Words: []string{"AZURE_REGIONAL_AUTHORITY_NAME: region TryAutoDetect", "name it"},
		Break: with(envRegion, "TryAutoDetect"),
	},

	{
		Name: "binding-not-enabled", About: "the pod has an AKS identity binding, and the program does not use it", Code: 700212,
		Words: []string{"token's audience is " + bindingURI, "set Options.EnableAzureProxy", "AZURE_KUBERNETES_TOKEN_PROXY"},
		Break: func(p *Pod) error {
			p.bind()
			return mounted(func(r *entratest.TokenRequest) { r.Audiences = []string{bindingURI} })(p)
		},
	},
	{
		Name: "binding-without-its-token", About: "the program uses an identity binding, but the pod's token is for Entra ID itself",
		Words: []string{`audience is "` + exchangeURI + `"`, "takes only " + bindingURI, "azure.workload.identity/use-identity-binding"},
		Break: func(p *Pod) error {
			p.bind()
			p.Options.EnableAzureProxy = true
			return nil
		},
	},
	{
		Name: "binding-without-proxy", About: "the environment has an identity binding's server name, but no URL",
		Words: []string{"AZURE_KUBERNETES_TOKEN_PROXY is not set, but AZURE_KUBERNETES_SNI_NAME", "set it to the proxy's URL"},
		Break: func(p *Pod) error {
			p.Options.EnableAzureProxy, p.Env[envSNIName] = true, proxyHost
			return nil
		},
	},
	{
		Name: "binding-with-two-cas", About: "the environment has an identity binding's CA both as a file and as data",
		Words: []string{"AZURE_KUBERNETES_CA_FILE and AZURE_KUBERNETES_CA_DATA are both set: set one"},
		Break: func(p *Pod) error {
			p.bind()
			p.Options.EnableAzureProxy, p.Env[envCAFile], p.Env[envCAData] = true, "/var/run/secrets/azure/wi/ca-cert/ca.crt", "-----BEGIN CERTIFICATE-----"
			return nil
		},
	},
	{
		Name: "binding-without-tls", About: "the URL of the identity binding's proxy is not https",
		Words: []string{`AZURE_KUBERNETES_TOKEN_PROXY: token proxy "http://` + proxyHost + `" is not an https URL`},
		Break: func(p *Pod) error {
			p.Options.EnableAzureProxy, p.Env[envProxy] = true, "http://"+proxyHost
			return nil
		},
	},

	{
		Name: "clock-behind", About: "the node's clock is two hours behind, so that nobody there notices that the token has expired", Code: 700024,
		Words: []string{"the clock of this machine is ", " behind Entra ID's: the federated token expired at ", "unnoticed", "NTP"},
		Break: clock(2 * time.Hour),
	},
	{
		Name: "clock-ahead", About: "the clocks of node and cluster are two hours ahead", Code: 700024,
		Words: []string{"federated token is not valid before ", "the clock of this machine is ", " ahead of Entra ID's", "NTP"},
		Break: clock(-2 * time.Hour),
	},
}

// bind gives the pod the proxy of an AKS identity binding.
func (p *Pod) bind() {
	p.Env[envProxy] = "https://" + proxyHost
	p.serve(proxyHost, (&entratest.TokenProxy{Server: p.Entra}).Do)
}

// ownCluster moves the pod to a cluster that is set up as well as the first.
func (p *Pod) ownCluster(issuer string) error {
	f := right()
	f.Issuer = issuer
	return errors.Join(p.move(issuer), p.serveCluster(p.Cluster, issuer), p.Entra.Trust(f))
}

// clock puts Entra ID's clock ahead of the pod's, or behind it.
func clock(ahead time.Duration) func(*Pod) error {
	return func(p *Pod) error {
		p.Entra.ClockSkew = ahead
		return nil
	}
}
