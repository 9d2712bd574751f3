package exchange_test

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

func TestRegionalAuthority(t *testing.T) {
	for authority, want := range map[string]string{
		"":                                      "https://westus2.login.microsoft.com",
		"https://login.microsoftonline.com/":    "https://westus2.login.microsoft.com",
		"https://login.microsoft.com":           "https://westus2.login.microsoft.com",
		"https://login.windows.net":             "https://westus2.login.microsoft.com",
		"https://sts.windows.net/":              "https://westus2.login.microsoft.com",
		"https://Login.MicrosoftOnline.com":     "https://westus2.login.microsoft.com",
		"https://login.microsoftonline.com:443": "https://westus2.login.microsoft.com:443",

		cloud.AzureGovernment.ActiveDirectoryAuthorityHost: "https://westus2.login.microsoftonline.us",
		"https://login.usgovcloudapi.net":                  "https://westus2.login.microsoftonline.us",
		cloud.AzureChina.ActiveDirectoryAuthorityHost:      "https://westus2.login.partner.microsoftonline.cn",
		"https://login.partner.microsoftonline.cn":         "https://westus2.login.partner.microsoftonline.cn",
		"https://login.sovcloud-identity.fr":               "https://westus2.login.sovcloud-identity.fr",

		"https://entra.corp.example:8443/sts/": "https://westus2.entra.corp.example:8443/sts",
	} {
		t.Run(authority, func(t *testing.T) {
			r, _ := sent(t, &exchange.ClientOptions{Authority: authority, Region: "westus2"}, request())
			assert.Equal(t, want+"/"+tenantID+"/oauth2/v2.0/token", r.URL.String())
			assert.Equal(t, r.URL.Host, r.Host)
		})
	}
}

func TestRegionalAuthorityOfTheCloud(t *testing.T) {
	o := &exchange.ClientOptions{Region: "usgovvirginia"}
	o.Cloud = cloud.AzureGovernment
	assert.Equal(t, "usgovvirginia.login.microsoftonline.us", newClient(t, o).Host())
}

func TestRegionNames(t *testing.T) {
	longest := strings.Repeat("a", 63)
	for _, region := range []string{"a", "eastus", "westus2", "usgov-virginia", longest} {
		assert.Equal(t, region+".login.microsoft.com", newClient(t, &exchange.ClientOptions{Region: region}).Host())
	}
	for _, region := range []string{
		"EastUS", "East US", "a.b", "-x", "x-", "2west", "x/../y", "x/", "x@y", "x:1", "x#", "x?", "x%2e", "ü", "x\n", " x", longest + "a", "TryAutoDetect",
	} {
		_, err := exchange.NewClient(&exchange.ClientOptions{Region: region})
		var wrong *exchange.OptionError
		require.ErrorAs(t, err, &wrong, region)
		assert.Equal(t, "Region", wrong.Option)
		assert.ErrorContains(t, err, "such as westeurope")
		assertFitToPrint(t, err.Error())
	}
}

func TestRegionIsRefusedForAnIPAddress(t *testing.T) {
	for _, authority := range []string{"https://10.0.0.1:8443", "https://[::1]"} {
		_, err := exchange.NewClient(&exchange.ClientOptions{Authority: authority, Region: "westeurope"})
		assert.ErrorContains(t, err, `Region: region "westeurope" cannot be added to an authority that is an IP address`)
	}
}
