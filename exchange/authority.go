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
)

// parseAuthority returns the URL that a tenant's endpoints lie under. The token endpoint of a known authority is known, so
// nothing is asked of a discovery document: its reply would decide where assertions go.
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

// parseURL returns the URL of where assertions go. Its error, which begins with what the URL is, quotes none that may hold a
// password.
func parseURL(what, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case strings.ContainsAny(raw, "@?#"): // a password's slash may end the host, and put the rest anywhere
		return nil, fmt.Errorf("%s has more than a host and a path: leave out user, query and fragment", what)
	case err != nil || u.Opaque != "":
		return nil, fmt.Errorf("%s is not a URL; it is not shown because it may hold a password", what)
	case u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%s %q is not an https URL with a host, such as https://host.example", what, raw)
	}
	return u, nil
}

// regionPattern is MSAL's: a label of a host name.
var regionPattern = regexp.MustCompile(`^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// regionalHosts are those that have regions, by their aliases that have none.
var regionalHosts = map[string]string{
	"login.microsoftonline.com": "login.microsoft.com",
	"login.windows.net":         "login.microsoft.com",
	"sts.windows.net":           "login.microsoft.com",
	"login.chinacloudapi.cn":    "login.partner.microsoftonline.cn",
	"login.usgovcloudapi.net":   "login.microsoftonline.us",
}

// regionalize makes the authority that of a region, named as MSAL does (and so azidentity): one host for all aliases of a
// cloud, with the region before it.
func regionalize(u *url.URL, region string) error {
	if region == "" {
		return nil
	}
	if region == "TryAutoDetect" {
		return errors.New("region TryAutoDetect: a region is not detected here, name it, such as westeurope")
	}
	if !regionPattern.MatchString(region) {
		return fmt.Errorf("region %q is not the name of an Azure region, such as westeurope", region)
	}
	host := strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(host); err == nil {
		return fmt.Errorf("region %q cannot go before an authority that is an IP address, %s", region, host)
	}
	host = cmp.Or(regionalHosts[host], host)
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = region + "." + host
	return nil
}
