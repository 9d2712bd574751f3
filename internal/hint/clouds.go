package hint

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// cloud is one of Azure's clouds.
type cloud struct {
	name, authority, audience string
	management, graph         string   // hosts of Azure Resource Manager and Microsoft Graph
	vault, storage            string   // suffixes of the hosts of key vaults and storage accounts
	hosts                     []string // of authorities
	resources                 []string // hosts, with their subdomains, that belong to no other cloud
}

// clouds lists Azure's clouds. Their audiences are from Microsoft's page on managed identities as
// federated credentials, the hosts of services from azure-cli 2.45 (azure/cli/core/cloud.py).
var clouds = []cloud{
	{
		"the public cloud", "https://login.microsoftonline.com", "api://AzureADTokenExchange",
		"management.azure.com", "graph.microsoft.com", "vault.azure.net", "core.windows.net",
		[]string{"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"},
		[]string{"vault.azure.net", "management.azure.com", "core.windows.net", "database.windows.net", "graph.microsoft.com"},
	},
	{
		"Azure Government", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov",
		"management.usgovcloudapi.net", "graph.microsoft.us", "vault.usgovcloudapi.net", "core.usgovcloudapi.net",
		[]string{"login.microsoftonline.us", "login.usgovcloudapi.net"},
		[]string{"usgovcloudapi.net", "azure.us", "graph.microsoft.us"},
	},
	{
		"Azure China", "https://login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina",
		"management.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn", "vault.azure.cn", "core.chinacloudapi.cn",
		[]string{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"},
		[]string{"chinacloudapi.cn", "azure.cn"},
	},
}

// cloudOfHost returns the cloud of an authority's host, including regional authorities such as
// westeurope.login.microsoft.com.
func cloudOfHost(host string) cloud {
	return cloudOf("https://"+host, func(c cloud) []string { return c.hosts }) // the host may have a port
}

// cloudOfResource returns the cloud of a resource that exists in only one cloud.
func cloudOfResource(scope string) cloud {
	return cloudOf(scope, func(c cloud) []string { return c.resources })
}

func cloudOf(rawURL string, hosts func(cloud) []string) cloud {
	host := "." + hostOf(rawURL)
	for _, c := range clouds {
		if slices.ContainsFunc(hosts(c), func(known string) bool { return strings.HasSuffix(host, "."+known) }) {
			return c
		}
	}
	return cloud{}
}

// ManagementScope is the scope that every tenant of the authority's cloud has: Azure Resource
// Manager's.
func ManagementScope(authority string) string {
	return "https://" + cmp.Or(cloudOfHost(authority).management, clouds[0].management) + defaultSuffix
}

// ExchangeScope is the scope of tokens that Entra ID issues for token exchange in the authority's
// cloud.
func ExchangeScope(authority string) string {
	return cmp.Or(cloudOfHost(authority).audience, clouds[0].audience) + defaultSuffix
}

// KnownAuthority reports whether the host is one of Entra ID's.
func KnownAuthority(host string) bool { return cloudOfHost(host).name != "" }

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// storageServices are the parts of a storage account that have hosts of their own.
var storageServices = []string{"blob", "dfs", "file", "queue", "table"}

// ScopeOfResource returns the scope of the service that a URL belongs to; empty if it is not known.
// Storage has one scope in every cloud, as in azblob v1.8.3.
func ScopeOfResource(rawURL string) string {
	host := hostOf(rawURL)
	for _, c := range clouds {
		switch {
		case strings.HasSuffix(host, "."+c.vault):
			return "https://" + c.vault + defaultSuffix
		case host == c.management || host == c.graph:
			return "https://" + host + defaultSuffix
		}
		if account, ok := strings.CutSuffix(host, "."+c.storage); ok && slices.Contains(storageServices, account[strings.LastIndex(account, ".")+1:]) {
			return "https://storage.azure.com" + defaultSuffix
		}
	}
	return ""
}
