package hint

import (
	"cmp"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/entrafed/entrafed/tokenfile"
)

// bindingAudience is that of tokens for the token proxy of AKS identity bindings; Entra ID itself does not take it.
const bindingAudience = "api://AKSIdentityBinding"

// ForTokenProxy tells whether the token is for the token proxy of an AKS identity binding.
func ForTokenProxy(t tokenfile.Token) bool { return slices.Contains(t.Audience, bindingAudience) }

// ForAPIServer tells whether the token is the one that every pod has, for Kubernetes itself: without --api-audiences its audience
// is the cluster's issuer. One that is for Entra ID too is not.
func ForAPIServer(t tokenfile.Token) bool {
	forEntra := slices.ContainsFunc(clouds, func(c cloud) bool { return slices.Contains(t.Audience, c.audience) })
	return !forEntra && slices.ContainsFunc(t.Audience, func(audience string) bool {
		return audience != "" && audience == t.Issuer || strings.HasPrefix(audience, "https://kubernetes.default.svc")
	})
}

// FromEntra tells whether Entra ID issued the token.
func FromEntra(t tokenfile.Token) bool {
	issuer, err := url.Parse(t.Issuer)
	return err == nil && slices.Contains(entraHosts, issuer.Host)
}

// entraHosts issue Entra ID's own tokens.
var entraHosts = []string{
	"login.microsoftonline.com", "sts.windows.net", "login.windows.net", "login.microsoft.com",
	"login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.chinacloudapi.cn",
}

// cloud is one of Azure's.
type cloud struct {
	name, authority, audience string
	management                string   // host of Azure Resource Manager
	hosts                     []string // of authorities
	resources                 []string // hosts that are no other cloud's, and what ends in them
}

// clouds have the audiences that Microsoft's page on managed identities as federated credentials lists.
var clouds = []cloud{
	{
		"the public cloud", "https://login.microsoftonline.com", "api://AzureADTokenExchange", "management.azure.com",
		[]string{"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"},
		[]string{"vault.azure.net", "management.azure.com", "core.windows.net", "database.windows.net", "graph.microsoft.com"},
	},
	{
		"Azure Government", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov", "management.usgovcloudapi.net",
		[]string{"login.microsoftonline.us", "login.usgovcloudapi.net"},
		[]string{"usgovcloudapi.net", "azure.us", "graph.microsoft.us"},
	},
	{
		"Azure China", "https://login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina", "management.chinacloudapi.cn",
		[]string{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"},
		[]string{"chinacloudapi.cn", "azure.cn"},
	},
}

// cloudOfHost knows regional authorities too: westeurope.login.microsoft.com.
func cloudOfHost(host string) cloud {
	return cloudOf("https://"+host, func(c cloud) []string { return c.hosts }) // that may have a port
}

// cloudOfResource knows those that are no other cloud's.
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

// ManagementScope is the scope that every tenant of the authority's cloud has: Azure Resource Manager's.
func ManagementScope(authority string) string {
	return "https://" + cmp.Or(cloudOfHost(authority).management, clouds[0].management) + defaultSuffix
}

// KnownAuthority tells whether the host is one of Entra ID's.
func KnownAuthority(host string) bool { return cloudOfHost(host).name != "" }

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// IsGUID tells whether s is a GUID, in either case.
func IsGUID(s string) bool { return guid.MatchString(s) }

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// private tells an issuer that Entra ID cannot reach, by its name.
func private(issuer string) bool {
	host := hostOf(issuer)
	if address, err := netip.ParseAddr(host); err == nil {
		return address.IsPrivate() || address.IsLoopback()
	}
	return !strings.HasPrefix(issuer, "https://") || !strings.Contains(host, ".") ||
		slices.ContainsFunc([]string{".svc", ".local", ".internal", ".localhost"}, func(suffix string) bool { return strings.HasSuffix(host, suffix) })
}
