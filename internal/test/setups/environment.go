package setups

import (
	"errors"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/webhook"
)

const (
	otherTenant = "33333333-4444-4555-8666-777777777777"
	objectID    = "99999999-8888-4777-8666-555555555555"
	proxyHost   = "token-proxy.example"
	bindingURI  = webhook.BindingAudience
)

var environments = []Setup{
	{
		Name: "not-injected", About: "the webhook did not change the pod, or not this container: all variables are missing",
		Words: []string{
			"no workload identity is configured here: in a pod, the workload identity webhook did not change the pod, or not this container",
			`the pod template needs the label ` + webhook.LabelUse + `: "true"`, webhook.AnnotationSkipContainers, "ephemeral", "AKS keeps it out of kube-system",
		},
		Break: without(EnvNames()...),
	},
	{
		Name: "client-id-missing", About: "the service account lacks the annotation with the client ID",
		Words: []string{"AZURE_CLIENT_ID is not set", "service account lacks the annotation azure.workload.identity/client-id"},
		Break: without(envClientID),
	},
	{
		Name: "tenant-missing", About: "the service account's annotation for the tenant is empty",
		Words: []string{"AZURE_TENANT_ID is not set", "the annotation " + webhook.AnnotationTenantID + " on its service account is empty: remove it"},
		Break: without(envTenantID),
	},
	{
		Name: "token-file-unset", About: "somebody set the IDs by hand, but the pod lacks the webhook's label",
		Words: []string{"AZURE_FEDERATED_TOKEN_FILE is not set", "or not this container", webhook.LabelUse + `: "true"`, "pod template"},
		Break: without(envTokenFile),
	},
	{
		Name: "client-id-set-to-nothing", About: "the container sets the client ID to an empty value, so the webhook leaves it alone",
		Words: []string{"AZURE_CLIENT_ID is set but empty: remove it", "comes from the container's env", "which the webhook does not overwrite"},
		Break: with(envClientID, ""),
	},
	{
		Name: "everything-set-to-nothing", About: "the container sets all three variables to empty values",
		Words: []string{"no workload identity is configured here", "AZURE_CLIENT_ID is set but empty", "AZURE_TENANT_ID is set but empty", "AZURE_FEDERATED_TOKEN_FILE is set but empty"},
		Break: func(p *Pod) error {
			p.Env[envClientID], p.Env[envTenantID], p.Env[envTokenFile] = "", " ", ""
			return nil
		},
	},
	{
		Name: "client-id-placeholder", About: "nothing replaced the client ID's placeholder in the manifest",
		Words: []string{`AZURE_CLIENT_ID (or Options.ClientID) is "${CLIENT_ID}", with a placeholder that was not replaced`},
		Break: with(envClientID, "${CLIENT_ID}"),
	},
	{
		Name: "tenant-in-quotes", About: "the tenant is in quotes, left by a shell or a Secret",
		Words: []string{`AZURE_TENANT_ID (or Options.TenantID) is "` + tenantID + `", with quotes around it`},
		Break: with(envTenantID, `"`+tenantID+`"`),
	},
	{
		Name: "authority-placeholder", About: "nothing replaced the authority's placeholder in the chart",
		Words: []string{`AZURE_AUTHORITY_HOST is "{{ .Values.authority }}", with a placeholder that was not replaced`},
		Break: with(envAuthority, "{{ .Values.authority }}"),
	},
	{
		Name: "token-as-path", About: "the variable holds the token instead of its file's path",
		Words: []string{"AZURE_FEDERATED_TOKEN_FILE (or Options.TokenFilePath) looks like a token, so it is not shown", "the path of the file"},
		Break: func(p *Pod) error {
			p.Env[envTokenFile] = `token="` + p.Projection.Token() + `"`
			return nil
		},
	},
	{
		Name: "token-file-is-url", About: "the variable holds a URL instead of the file's path",
		Words: []string{"AZURE_FEDERATED_TOKEN_FILE (or Options.TokenFilePath) is ", ", a URL: set the path of the file"},
		Break: func(p *Pod) error {
			p.Env[envTokenFile] = "file://" + p.Env[envTokenFile]
			return nil
		},
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
		Name: "ids-swapped", About: "client ID and tenant are swapped", Code: 90002,
		Words: []string{`the client ID and the tenant are swapped: "` + tenantID + `" is the tenant of the AKS cluster`, "swap AZURE_CLIENT_ID and AZURE_TENANT_ID"},
		Break: swapped,
	},
	{
		Name: "ids-swapped-own-cluster", About: "client ID and tenant are swapped, and the cluster, which is not on AKS, does not show it", Code: 90002,
		Words: []string{`tenant "` + clientID + `" does not exist at "login.microsoftonline.com": the ID is wrong, is a client ID`},
		Break: both(swapped, func(p *Pod) error { return p.ownCluster("https://oidc.shop.example/") }),
	},
	{
		Name: "identity-of-the-clusters-tenant", About: "the tenant exists, but the identity is in the cluster's tenant", Code: 700016,
		Words: []string{"it may be in the AKS cluster's tenant, " + tenantID, "az identity show --query tenantId", "--query clientId"},
		Break: func(p *Pod) error {
			p.Env[envTenantID] = otherTenant
			return p.Entra.AddApplication(otherTenant, objectID)
		},
	},

	{
		Name: "tenant-unknown", About: "the tenant does not exist", Code: 90002,
		Words: []string{"AKS cluster's tenant, " + tenantID, "az identity show --query tenantId"},
		Break: with(envTenantID, otherTenant),
	},
	{
		Name: "tenant-unknown-own-cluster", About: "the tenant does not exist, and the cluster, which is not on AKS, suggests no other", Code: 90002,
		Words: []string{`tenant "` + otherTenant + `" does not exist at "login.microsoftonline.com"`, "az account show --query tenantId", "az cloud show"},
		Break: func(p *Pod) error {
			p.Env[envTenantID] = otherTenant
			return p.ownCluster("https://oidc.shop.example/")
		},
	},
	{
		Name: "tenant-common", About: "the tenant is common, which stands for any", Code: 90002,
		Words: []string{`"common" is not a tenant`, "AZURE_TENANT_ID"},
		Break: with(envTenantID, "common"),
	},
	{
		Name: "tenant-malformed", About: "the tenant is neither a GUID nor a domain name", Code: 900023,
		Words: []string{`tenant "contoso-" is neither a GUID nor a domain name`, "AZURE_TENANT_ID"},
		Break: with(envTenantID, "contoso-"),
	},
	{
		Name: "tenant-is-url", About: "the tenant is the URL of the portal's page",
		Words: []string{"AZURE_TENANT_ID (or Options.TenantID) is ", "which is neither a GUID nor a domain name"},
		Break: with(envTenantID, "https://portal.azure.com/"+tenantID),
	},
	{
		Name: "tenant-of-government", About: "the identity is in Azure Government, and the authority is the public cloud's", Code: 900382,
		Words: []string{"belongs to Azure Government, but the authority", "AZURE_AUTHORITY_HOST (or Options.Cloud) to https://login.microsoftonline.us"},
		Break: func(p *Pod) error {
			p.Env[envTenantID], p.Scope = otherTenant, "https://vault.usgovcloudapi.net/.default"
			return errors.Join(p.trustIn(otherTenant), p.Entra.SetCloud(otherTenant, "login.microsoftonline.us"))
		},
	},
	{
		Name: "tenant-of-china", About: "the identity is in Azure China, and neither the authority nor the scope is", Code: 900382,
		Words: []string{`identity and the authority "login.microsoftonline.com" belong to different clouds`, "AZURE_AUTHORITY_HOST (or Options.Cloud)"},
		Break: func(p *Pod) error {
			p.Env[envTenantID] = otherTenant
			return errors.Join(p.trustIn(otherTenant), p.Entra.SetCloud(otherTenant, "login.partner.microsoftonline.cn"))
		},
	},

	{
		Name: "authority-of-another-cloud", About: "the authority is Azure Government's, but the tenant is not there", Code: 90002,
		Words: []string{"belongs to the public cloud, but the authority", "login.microsoftonline.us", "AZURE_AUTHORITY_HOST (or Options.Cloud)"},
		Break: with(envAuthority, "https://login.microsoftonline.us"),
	},
	{
		Name: "authority-with-tenant", About: "the authority has the tenant in its path, as in other libraries",
		Words: []string{"the authority's path already names a tenant", "remove the path from AZURE_AUTHORITY_HOST"},
		Break: with(envAuthority, "https://login.microsoftonline.com/"+tenantID),
	},
	{
		Name: "authority-without-tls", About: "the authority is not https",
		Words: []string{`AZURE_AUTHORITY_HOST: authority "http://login.microsoftonline.com" is not an https URL`},
		Break: with(envAuthority, "http://login.microsoftonline.com"),
	},
	{
		Name: "authority-misspelled", About: "the authority is a host that does not exist",
		Words: []string{"the authority's host, login.microsoftonlin.com, does not exist", "set AZURE_AUTHORITY_HOST (or Options.Cloud)"},
		Break: with(envAuthority, "https://login.microsoftonlin.com"),
	},
	{
		Name: "region-set", About: "the requests go to a regional endpoint, which does not serve this kind", Code: 100007,
		Words: []string{"AZURE_REGIONAL_AUTHORITY_NAME sends the request to a region", "unset AZURE_REGIONAL_AUTHORITY_NAME"},
		Break: with(envRegion, "westeurope"),
	},
	{
		Name: "region-autodetect", About: "the region is set to be detected, which MSAL supports",
		Words: []string{"AZURE_REGIONAL_AUTHORITY_NAME: region TryAutoDetect is not supported", "name the region"},
		Break: with(envRegion, "TryAutoDetect"),
	},

	{
		Name: "binding-not-enabled", About: "the pod has an AKS identity binding, but the program does not use it", Code: 700212,
		Words: []string{"token's audience is " + bindingURI, "set Options.EnableAzureProxy", "AZURE_KUBERNETES_TOKEN_PROXY"},
		Break: func(p *Pod) error {
			p.bind()
			return mounted(func(r *entratest.TokenRequest) { r.Audiences = []string{bindingURI} })(p)
		},
	},
	{
		Name: "binding-without-its-token", About: "the program uses an identity binding, but the pod's token is for Entra ID itself",
		Words: []string{`audience is "` + exchangeURI + `"`, "accepts only " + bindingURI, "azure.workload.identity/use-identity-binding"},
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
		Words: []string{"AZURE_KUBERNETES_CA_FILE and AZURE_KUBERNETES_CA_DATA are both set", "AZURE_KUBERNETES_CA_FILE to an empty value in the container's env, which the webhook keeps"},
		Break: func(p *Pod) error {
			p.bind()
			p.Options.EnableAzureProxy, p.Env[envCAFile], p.Env[envCAData] = true, webhook.CAFile, "-----BEGIN CERTIFICATE-----"
			return nil
		},
	},
	{
		Name: "binding-proxy-misspelled", About: "the URL of the identity binding's proxy has a host that does not exist",
		Words: []string{"the name of the token proxy, kube-proxy.invalid, does not resolve", "AZURE_KUBERNETES_TOKEN_PROXY"},
		Break: func(p *Pod) error {
			p.bind()
			p.Options.EnableAzureProxy, p.Env[envProxy] = true, "https://kube-proxy.invalid"
			return mounted(func(r *entratest.TokenRequest) { r.Audiences = []string{bindingURI} })(p)
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
		Name: "clock-behind", About: "the node's clock is two hours behind, so nobody there notices that the token has expired", Code: 700024,
		Words: []string{"this machine's clock is ", " behind Entra ID's, so the federated token expired at ", "unnoticed", "NTP"},
		Break: clock(2 * time.Hour),
	},
	{
		Name: "clock-ahead", About: "the clocks of node and cluster are two hours ahead", Code: 700024,
		Words: []string{"federated token is not valid before ", "this machine's clock is ", " ahead of Entra ID's", "NTP"},
		Break: clock(-2 * time.Hour),
	},
}

// trustIn registers the workload in another tenant too.
func (p *Pod) trustIn(tenant string) error {
	f := p.Trusted
	f.TenantID = tenant
	return p.Entra.Trust(f)
}

func swapped(p *Pod) error {
	p.Env[envClientID], p.Env[envTenantID] = p.Env[envTenantID], p.Env[envClientID]
	return nil
}

// bind gives the pod the token proxy of an AKS identity binding.
func (p *Pod) bind() {
	p.Env[envProxy] = "https://" + proxyHost
	p.serve(proxyHost, (&entratest.TokenProxy{Server: p.Entra}).Do)
}

// ownCluster moves the pod to another cluster that is set up correctly.
func (p *Pod) ownCluster(issuer string) error {
	f := p.Trusted
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
