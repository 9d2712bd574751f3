package hint

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/entrafed/entrafed/internal/webhook"
	"github.com/entrafed/entrafed/tokenfile"
)

// bindingAudience is the audience of tokens for the token proxy of AKS identity bindings. Entra ID
// itself does not accept it.
const bindingAudience = webhook.BindingAudience

// OfServiceAccount reports whether the token's subject is a service account.
func OfServiceAccount(t tokenfile.Token) bool {
	name, _ := serviceAccount(t.Subject)
	return name != ""
}

// serviceAccount returns the service account that the subject names; empty if it names none.
func serviceAccount(subject string) (name, namespace string) {
	rest, ok := strings.CutPrefix(subject, "system:serviceaccount:")
	namespace, name, both := strings.Cut(rest, ":")
	if !ok || !both {
		return "", ""
	}
	return name, namespace
}

// ForTokenProxy reports whether the token is for the token proxy of an AKS identity binding.
func ForTokenProxy(t tokenfile.Token) bool { return slices.Contains(t.Audience, bindingAudience) }

// ForAPIServer reports whether the token is the one that every pod has for Kubernetes itself, and
// not also for Entra ID. Without --api-audiences its audience is the cluster's issuer.
func ForAPIServer(t tokenfile.Token) bool {
	return !ForExchange(t) && slices.ContainsFunc(t.Audience, func(audience string) bool {
		return audience != "" && audience == t.Issuer && strings.HasPrefix(t.Subject, "system:serviceaccount:") ||
			strings.HasPrefix(audience, "https://kubernetes.default.svc")
	})
}

// exchangeAppID is the audience of Entra ID's own v2.0 tokens for token exchange: the application
// ID instead of the URI, as public reports of 2025 and 2026 show it in tokens of managed identities
// and blueprints.
const exchangeAppID = "fb60f99c-7a34-4190-8149-302f77469936"

// ForExchange reports whether the token's audience is that of token exchange in one of Azure's
// clouds.
func ForExchange(t tokenfile.Token) bool {
	return slices.Contains(t.Audience, exchangeAppID) || slices.ContainsFunc(clouds, func(c cloud) bool { return slices.Contains(t.Audience, c.audience) })
}

// AudienceToRegister returns the audience that a federated credential for the token needs: of
// several, the one for token exchange; for the application ID in a token of Entra ID's own, the URI
// of the authority's cloud.
func AudienceToRegister(t tokenfile.Token, authority string) string {
	if slices.Contains(t.Audience, exchangeAppID) {
		return cmp.Or(cloudOfHost(authority).audience, webhook.Audience)
	}
	for _, audience := range t.Audience {
		if strings.HasPrefix(audience, webhook.Audience) { // clouds append to it
			return audience
		}
	}
	if len(t.Audience) == 0 {
		return ""
	}
	return t.Audience[0] // a federated credential has only one
}

// FromEntra reports whether Entra ID issued the token.
func FromEntra(t tokenfile.Token) bool {
	issuer, err := url.Parse(t.Issuer)
	return err == nil && slices.Contains(entraHosts, issuer.Host)
}

// entraHosts issue Entra ID's own tokens.
var entraHosts = []string{
	"login.microsoftonline.com", "sts.windows.net", "login.windows.net", "login.microsoft.com",
	"login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.chinacloudapi.cn",
}

// Private reports whether rawURL is not a public https URL, judging by its host name. Entra ID
// cannot fetch anything from there.
func Private(rawURL string) bool {
	if !strings.HasPrefix(rawURL, "https://") {
		return true
	}
	host := strings.TrimSuffix(hostOf(rawURL), ".")
	if address, err := netip.ParseAddr(host); err == nil {
		address = address.Unmap().WithZone("")
		return !address.IsGlobalUnicast() || address.IsPrivate() || carrierNAT.Contains(address)
	}
	return !strings.Contains(host, ".") ||
		strings.HasPrefix(host, "kubernetes.default.svc.") || // with any cluster domain
		slices.ContainsFunc(privateDomains, func(domain string) bool { return strings.HasSuffix(host, domain) })
}

// carrierNAT holds shared addresses that are not routed (RFC 6598).
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// privateDomains are reserved (RFC 2606, RFC 6761, RFC 6762, RFC 8375, ICANN's .internal), belong
// to Kubernetes, or are used in companies and homes without being delegated (RFC 6762, appendix G).
var privateDomains = []string{
	".svc", ".local", ".localhost", ".test", ".invalid", ".home.arpa", ".internal",
	".intranet", ".private", ".corp", ".home", ".lan", ".localdomain",
}
