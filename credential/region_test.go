package credential_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
)

func TestRegionOfTheEnvironment(t *testing.T) {
	for region, want := range map[string]string{
		"":               "login.microsoftonline.com",
		" ":              "login.microsoftonline.com",
		"westeurope":     "westeurope.login.microsoft.com",
		" westeurope\n ": "westeurope.login.microsoft.com",
	} {
		t.Run(region, func(t *testing.T) {
			r := newRig(t)
			t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", region)
			get(t, r.credential(t), scope(vault))
			require.Len(t, r.entra.Requests(), 1)
			require.Equal(t, want, r.entra.Requests()[0].Host)
		})
	}
}

func TestRegionOfAnotherCloud(t *testing.T) {
	r := newRig(t)
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "usgovvirginia")
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")
	get(t, r.credential(t), scope(vault))
	r.options.Cloud = cloud.AzureChina
	get(t, r.credential(t), scope(vault))
	require.Equal(t, "usgovvirginia.login.microsoftonline.us", r.entra.Requests()[0].Host)
	require.Equal(t, "usgovvirginia.login.partner.microsoftonline.cn", r.entra.Requests()[1].Host)
}

func TestMalformedRegionIsNamed(t *testing.T) {
	for _, region := range []string{"EastUS", "a.b", "-x", "x/../y", "TryAutoDetect"} {
		r := newRig(t)
		t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", region)
		r.options.TenantID = ""
		_, err := credential.New(&r.options)
		require.ErrorContains(t, err, "AZURE_REGIONAL_AUTHORITY_NAME: region ")
		require.ErrorContains(t, err, region)
		require.ErrorContains(t, err, "AZURE_TENANT_ID is not set")
		require.NotContains(t, err.Error(), "\n")
	}
}
