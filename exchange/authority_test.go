package exchange_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

func TestAuthority(t *testing.T) {
	const tail = "/" + tenantID + "/oauth2/v2.0/token"
	for name, row := range map[string]struct {
		authority string
		cloud     cloud.Configuration
		url, host string
	}{
		"default":              {"", cloud.Configuration{}, "https://login.microsoftonline.com" + tail, "login.microsoftonline.com"},
		"government":           {"", cloud.AzureGovernment, "https://login.microsoftonline.us" + tail, "login.microsoftonline.us"},
		"China":                {"", cloud.AzureChina, "https://login.chinacloudapi.cn" + tail, "login.chinacloudapi.cn"},
		"Authority wins":       {"https://login.example", cloud.AzureChina, "https://login.example" + tail, "login.example"},
		"slash":                {"https://login.example/", cloud.Configuration{}, "https://login.example" + tail, "login.example"},
		"slashes":              {"https://login.example//", cloud.Configuration{}, "https://login.example" + tail, "login.example"},
		"path":                 {"https://proxy.example/entra", cloud.Configuration{}, "https://proxy.example/entra" + tail, "proxy.example"},
		"path with slash":      {"https://proxy.example/entra/", cloud.Configuration{}, "https://proxy.example/entra" + tail, "proxy.example"},
		"port":                 {"https://10.0.0.1:8443", cloud.Configuration{}, "https://10.0.0.1:8443" + tail, "10.0.0.1:8443"},
		"IPv6":                 {"https://[::1]:8443/", cloud.Configuration{}, "https://[::1]:8443" + tail, "[::1]:8443"},
		"upper-case scheme":    {"HTTPS://login.example", cloud.Configuration{}, "https://login.example" + tail, "login.example"},
		"host and no services": {"", cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.example"}, "https://login.example" + tail, "login.example"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &exchange.ClientOptions{Authority: row.authority}
			o.Cloud = row.cloud
			r, _ := sent(t, o, request())
			assert.Equal(t, row.url, r.URL.String())
			assert.Equal(t, row.host, newClient(t, o).Host())
		})
	}
}

func TestNilOptionsMeanThePublicCloud(t *testing.T) {
	assert.Equal(t, "login.microsoftonline.com", newClient(t, nil).Host())
}

func TestAuthorityIsRefused(t *testing.T) {
	for authority, why := range map[string]string{
		"http://login.microsoftonline.com":      "https",
		"HTTP://login.microsoftonline.com":      "https",
		"ftp://login.microsoftonline.com":       "https",
		"login.microsoftonline.com":             "https",
		"//login.microsoftonline.com":           "https",
		" https://login.example":                "not a URL",
		"https://login.example ":                "not a URL",
		"https://":                              "with a host",
		"https:///path":                         "with a host",
		"https://:443":                          "with a host",
		"https:login.example":                   "not a URL",
		"https://user@login.example":            "more than",
		"https://user:hunter2hunter2@h.example": "more than",
		"https://login.example?x=y":             "more than",
		"https://login.example?":                "more than",
		"https://login.example#x":               "more than",
		"https://login.example/%zz":             "not a URL",
		"https://login.example\n":               "not a URL",
	} {
		o := &exchange.ClientOptions{Authority: authority}
		o.InsecureAllowCredentialWithHTTP = true // must not relax anything
		c, err := exchange.NewClient(o)
		require.Error(t, err, authority)
		assert.Nil(t, c)
		assert.Contains(t, err.Error(), why, authority)
		assert.Contains(t, err.Error(), "authority")

		o = &exchange.ClientOptions{}
		o.Cloud.ActiveDirectoryAuthorityHost = authority
		_, err = exchange.NewClient(o)
		assert.Error(t, err, authority)
	}
}

// A password in a URL is not printed, even where net/url does not see it.
func TestPasswordInAURLIsNotPrinted(t *testing.T) {
	for _, raw := range []string{
		"https://user:hunter2@login.example", "http://user:hunter2@login.example", "//user:hunter2@login.example", "user:hunter2@login.example",
		"https:user:hunter2@login.example", "https://user:hun/ter2@login.example", "https://user:hun#ter2@login.example", "https://user:hun?ter2@login.example",
		"https://user:12#hunter2@login.example", "http://user:12?hunter2@login.example",
		"https://user:hun%zzter2@login.example", "https://user:hun ter2@login.example",
		"us_er:hunter2@login.example", "https://user:12/hunter2@login.example", "hunter2@login.example", "user:hunter2",
		"https://login.example/?sig=hunter2", "https://login.example#hunter2",
	} {
		for _, o := range []*exchange.ClientOptions{{Authority: raw}, {IdentityBinding: &exchange.IdentityBinding{TokenProxy: raw}}} {
			_, err := exchange.NewClient(o)
			require.Error(t, err, raw)
			assert.NotRegexp(t, "hun|ter2", err.Error())
		}
	}
}

// A cloud with services but no authority is a mistake. Falling back to the public cloud would be
// another.
func TestCloudWithoutAuthorityIsRefused(t *testing.T) {
	o := &exchange.ClientOptions{}
	o.Cloud.Services = map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Audience: "https://management.core.usgovcloudapi.net"}}
	_, err := exchange.NewClient(o)
	require.ErrorContains(t, err, "ActiveDirectoryAuthorityHost")

	o.Authority = "https://login.microsoftonline.us"
	_, err = exchange.NewClient(o)
	assert.NoError(t, err)
}
