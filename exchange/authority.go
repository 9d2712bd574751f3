package exchange

import (
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
			return nil, errors.New("the Cloud configuration has services but no ActiveDirectoryAuthorityHost: set it to the cloud's authority, such as https://login.microsoftonline.us")
		}
		raw = cloud.AzurePublic.ActiveDirectoryAuthorityHost
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("authority is not a URL: %w", errors.Unwrap(err)) // the URL may hold a password
	case u.Scheme != "https":
		return nil, fmt.Errorf("authority %q is not an https URL, such as https://login.microsoftonline.com", u.Redacted())
	case u.Hostname() == "":
		return nil, fmt.Errorf("authority %q has no host", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("authority %q has more than a host and a path", u.Redacted())
	}
	return u, nil
}

// regionPattern is MSAL's: a label of a host name.
var regionPattern = regexp.MustCompile(`^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

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
	switch host {
	case "login.microsoftonline.com", "login.windows.net", "sts.windows.net":
		host = "login.microsoft.com"
	case "login.chinacloudapi.cn":
		host = "login.partner.microsoftonline.cn"
	case "login.usgovcloudapi.net":
		host = "login.microsoftonline.us"
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = region + "." + host
	return nil
}
