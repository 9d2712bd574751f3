package credential_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"
)

// The rest is in TestMigratedAllowedTenants.
func TestTenantOfARequest(t *testing.T) {
	other := "Contoso.onmicrosoft.com"
	for name, row := range map[string]tenantRow{
		"the configured one, other case": {nil, strings.ToUpper(tenantID), tenantID},
		"allowed, other case":            {[]string{"x", other}, strings.ToUpper(other), other},
		"any, in lower case":             {[]string{"x", "*"}, strings.ToLower(other), strings.ToLower(other)},
		// Splitting an empty variable yields "".
		"allowed is nothing": {[]string{"x", ""}, other, ""},
	} {
		t.Run(name, row.check)
	}
}

// tenantRow is a request that names a tenant.
type tenantRow struct {
	allowed []string
	asked   string
	want    string // on the wire; empty: an error
}

func (row tenantRow) check(t *testing.T) {
	r := newRig(t)
	r.options.AdditionallyAllowedTenants = row.allowed
	r.reregister(t, cmp.Or(row.want, tenantID), clientID)
	_, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: row.asked})
	if row.want == "" {
		require.ErrorContains(t, err, row.asked)
		require.Empty(t, r.Entra.Requests())
		return
	}
	require.NoError(t, err)
	require.Equal(t, "/"+row.want+"/oauth2/v2.0/token", r.Entra.Requests()[0].Path)
}

func TestRefusedTenantTellsHowToAllowIt(t *testing.T) {
	r := newRig(t)
	_, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: "other"})
	require.ErrorContains(t, err, `tenant "other" is not allowed: add it to Options.AdditionallyAllowedTenants, or "*" for any tenant`)

	pool := newPoolRig(t, "a").pool(t)
	_, err = of(t, pool, tenantNamed("a")).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: "other"})
	require.ErrorContains(t, err, "add it to PoolOptions.AdditionallyAllowedTenants")
}

func TestEachTenantIsCachedOnItsOwnWithoutRegardToCase(t *testing.T) {
	r := newRig(t)
	r.options.AdditionallyAllowedTenants = []string{"*"}
	there := r.Trusted
	there.TenantID = "other"
	require.NoError(t, r.Entra.Trust(there))
	c := r.credential(t)
	in := func(tenant string) string {
		return get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: tenant}).Token
	}
	home, other := in(""), in("Other")
	require.NotEqual(t, home, other)
	require.Equal(t, home, in(strings.ToUpper(tenantID)))
	require.Equal(t, other, in("oTHER"))
	require.Len(t, r.Entra.Requests(), 2)
}

func TestTokenGivenAsATenantIsNotShown(t *testing.T) {
	r := newRig(t)
	r.options.AdditionallyAllowedTenants = []string{"*"}
	token := r.Projection.Token()
	// The second one has only the characters of a domain name.
	for _, tenant := range []string{token, strings.ReplaceAll(token, "_", "-")} {
		_, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: tenant})
		require.ErrorContains(t, err, `TenantID "[redacted]" is not a tenant's GUID or domain name`)
		require.NotContains(t, err.Error(), token[:20])
	}
	require.Empty(t, r.Entra.Requests())
}
