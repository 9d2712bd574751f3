package credential_test

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"
)

func TestTenantOfARequest(t *testing.T) {
	other := "Contoso.onmicrosoft.com"
	for name, row := range map[string]struct {
		allowed []string
		asked   string
		want    string // on the wire; empty: refused
	}{
		"none asked for":                  {nil, "", tenantID},
		"the configured one":              {nil, tenantID, tenantID},
		"the configured one, other case":  {nil, strings.ToUpper(tenantID), tenantID},
		"another":                         {nil, other, ""},
		"another, allowed":                {[]string{"x", other}, other, other},
		"another, allowed, other case":    {[]string{other}, strings.ToUpper(other), other},
		"another, not the allowed one":    {[]string{"x", ""}, other, ""},
		"any, with the spelling as given": {[]string{"x", "*"}, other, other},
		"malformed, even if any":          {[]string{"*"}, "a/b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.options.AdditionallyAllowedTenants = row.allowed
			_, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: row.asked})
			if row.want == "" {
				require.ErrorContains(t, err, row.asked)
				require.Empty(t, r.entra.Requests())
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, r.entra.Requests()[0].TenantID)
		})
	}
}

func TestRefusedTenantTellsHowToAllowIt(t *testing.T) {
	r := newRig(t)
	_, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: "other"})
	require.ErrorContains(t, err, `tenant "other" is not allowed: add it to Options.AdditionallyAllowedTenants, or "*" for any tenant`)
}

func TestEachTenantIsCachedOnItsOwnWithoutRegardToCase(t *testing.T) {
	r := newRig(t)
	r.options.AdditionallyAllowedTenants = []string{"*"}
	c := r.credential(t)
	in := func(tenant string) string {
		return get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: tenant}).Token
	}
	home, other := in(""), in("Other")
	require.NotEqual(t, home, other)
	require.Equal(t, home, in(strings.ToUpper(tenantID)))
	require.Equal(t, other, in("oTHER"))
	require.Len(t, r.entra.Requests(), 2)
}

func TestTokenGivenAsATenantIsNotShown(t *testing.T) {
	r := newRig(t)
	r.options.AdditionallyAllowedTenants = []string{"*"}
	token := r.file.Token()
	for _, tenant := range []string{token, strings.ReplaceAll(token, "_", "-")} { // a domain name's characters
		_, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: tenant})
		require.ErrorContains(t, err, `TenantID "[redacted]" is not a tenant's GUID or domain name`)
		require.NotContains(t, err.Error(), token[:20])
	}
	require.Empty(t, r.entra.Requests())
}
