package credential_test

import (
	"testing"

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
			require.Len(t, r.Entra.Requests(), 1)
			require.Equal(t, want, r.Entra.Requests()[0].Host)
		})
	}
}

func TestMalformedRegionIsReportedWithOtherProblems(t *testing.T) {
	r := newRig(t)
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "EastUS")
	r.options.TenantID = ""
	_, err := credential.New(&r.options)
	require.ErrorContains(t, err, "AZURE_REGIONAL_AUTHORITY_NAME: region \"EastUS\" is not")
	require.ErrorContains(t, err, "AZURE_TENANT_ID is not set")
	require.NotContains(t, err.Error(), "\n")
}
