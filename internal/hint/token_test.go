package hint_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/tokenfile"
)

func TestAudienceToRegister(t *testing.T) {
	const appID = "fb60f99c-7a34-4190-8149-302f77469936"
	for name, row := range map[string]struct {
		audience  []string
		authority string
		want      string
	}{
		"one":                        {[]string{"api://AzureADTokenExchange"}, "", "api://AzureADTokenExchange"},
		"another":                    {[]string{"api://mine"}, "", "api://mine"},
		"none":                       {nil, "", ""},
		"token exchange and another": {[]string{"api://mine", "api://AzureADTokenExchangeUSGov"}, "", "api://AzureADTokenExchangeUSGov"},
		"two others":                 {[]string{"https://vault.example", "sts.example"}, "", "https://vault.example"},
		"Entra ID's application":     {[]string{appID}, "login.microsoftonline.com", "api://AzureADTokenExchange"},
		"of another cloud":           {[]string{appID}, "login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"},
		"of an unknown authority":    {[]string{appID}, "login.private.example", "api://AzureADTokenExchange"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, row.want, hint.AudienceToRegister(tokenfile.Token{Audience: row.audience}, row.authority))
		})
	}
}
