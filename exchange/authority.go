package exchange

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/entrafed/entrafed/internal/redact"
)

// parseAuthority returns the base URL of a tenant's endpoints. It does no discovery, because a
// discovery document would decide where assertions go.
func parseAuthority(o *ClientOptions) (*url.URL, error) {
	raw := o.Authority
	if raw == "" {
		raw = o.Cloud.ActiveDirectoryAuthorityHost
	}
	if raw == "" {
		if len(o.Cloud.Services) > 0 {
			return nil, errors.New("the Cloud configuration has services but no ActiveDirectoryAuthorityHost: " +
				"set it to the cloud's authority, such as https://login.microsoftonline.us")
		}
		raw = cloud.AzurePublic.ActiveDirectoryAuthorityHost
	}
	return parseURL("authority", raw)
}

// parseURL parses a URL that assertions are sent to. Its error starts with what, and never quotes a
// URL that could hold a password.
func parseURL(what, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	// A slash in a password can end the host early and move the rest anywhere.
	case strings.ContainsAny(raw, "@?#"):
		return nil, fmt.Errorf("%s has more than a host and a path: leave out user, query and fragment", what)
	case err != nil || u.Opaque != "":
		return nil, fmt.Errorf("%s is not a URL; it is not shown because it may hold a password", what)
	case u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%s %q is not an https URL with a host, such as https://host.example", what, raw)
	}
	return u, nil
}

// regionPattern matches a host name label, as MSAL does.
var regionPattern = regexp.MustCompile(`^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// regionalHosts maps the authorities that have no regional endpoints to the alias that has them.
var regionalHosts = map[string]string{
	"login.microsoftonline.com": "login.microsoft.com",
	"login.windows.net":         "login.microsoft.com",
	"sts.windows.net":           "login.microsoft.com",
	"login.chinacloudapi.cn":    "login.partner.microsoftonline.cn",
	"login.usgovcloudapi.net":   "login.microsoftonline.us",
}

// regionalize changes u to the region's endpoint, named as MSAL (and so azidentity) names it: one
// host for all aliases of a cloud, prefixed with the region.
func regionalize(u *url.URL, region string) error {
	if region == "" {
		return nil
	}
	if region == "TryAutoDetect" {
		return errors.New("region TryAutoDetect is not supported: name the region, such as westeurope")
	}
	if !regionPattern.MatchString(region) {
		return fmt.Errorf("region %q is not the name of an Azure region, such as westeurope", redact.URL(region))
	}
	host := strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(host); err == nil {
		return fmt.Errorf("region %q cannot be added to an authority that is an IP address, %s", region, host)
	}
	host = cmp.Or(regionalHosts[host], host)
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = region + "." + host
	return nil
}
