package entratest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestTrustRefusesWhatEntraRefuses(t *testing.T) {
	long := strings.Repeat("ä", 600) // characters, not bytes
	for name, row := range map[string]struct {
		change func(*entratest.FederatedCredential)
		want   string // empty if the credential is accepted
	}{
		"good":                      {func(c *entratest.FederatedCredential) {}, ""},
		"no tenant":                 {func(c *entratest.FederatedCredential) { c.TenantID = "" }, "TenantID is empty"},
		"name of 3 characters":      {func(c *entratest.FederatedCredential) { c.Name = "a-1" }, ""},
		"name of 120 characters":    {func(c *entratest.FederatedCredential) { c.Name = strings.Repeat("a", 120) }, ""},
		"name of 2 characters":      {func(c *entratest.FederatedCredential) { c.Name = "ab" }, `the Name "ab" does not have the form`},
		"name of 121 characters":    {func(c *entratest.FederatedCredential) { c.Name = strings.Repeat("a", 121) }, "does not have the form"},
		"name with a dot":           {func(c *entratest.FederatedCredential) { c.Name = "shop.orders" }, `the Name "shop.orders" does not have the form ^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$`},
		"no client":                 {func(c *entratest.FederatedCredential) { c.ClientID = "" }, "ClientID is empty"},
		"no issuer":                 {func(c *entratest.FederatedCredential) { c.Issuer = "" }, `the Issuer "" is not an https URL`},
		"issuer over plain HTTP":    {func(c *entratest.FederatedCredential) { c.Issuer = "http://issuer.example" }, "not an https URL"},
		"issuer without a host":     {func(c *entratest.FederatedCredential) { c.Issuer = "https:///path" }, "not an https URL"},
		"issuer is not a URL":       {func(c *entratest.FederatedCredential) { c.Issuer = "https://a b" }, "not an https URL"},
		"issuer of 600 characters":  {func(c *entratest.FederatedCredential) { c.Issuer = "https://i.example/" + long[:2*582] }, ""},
		"issuer of 601 characters":  {func(c *entratest.FederatedCredential) { c.Issuer = "https://i.example/" + long[:2*583] }, "Issuer has 601 characters; at most 600 are allowed"},
		"no subject":                {func(c *entratest.FederatedCredential) { c.Subject = "" }, "Subject is empty"},
		"subject of 600 characters": {func(c *entratest.FederatedCredential) { c.Subject = long }, ""},
		"subject of 601 characters": {func(c *entratest.FederatedCredential) { c.Subject = long + "x" }, "Subject has 601 characters; at most 600 are allowed"},
		"two audiences":             {func(c *entratest.FederatedCredential) { c.Audiences = []string{"a", "b"} }, "there are 2 Audiences"},
		"empty audience":            {func(c *entratest.FederatedCredential) { c.Audiences = []string{""} }, "the audience is empty"},
		"another audience":          {func(c *entratest.FederatedCredential) { c.Audiences = []string{"api://AKSIdentityBinding"} }, ""},
		"two faults, one error":     {func(c *entratest.FederatedCredential) { c.TenantID, c.Subject = "", "" }, "TenantID is empty; Subject is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			c := federated()
			row.change(&c)
			s := new(entratest.Server)
			err := s.Trust(c)
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, row.want)
			assert.ErrorContains(t, err, "entratest: federated credential")
			assert.Zero(t, codeOf(t, s, validForm(t)), "nothing is registered, so the server is still lenient")
		})
	}
}

func TestTrustRefusesDuplicateCredentials(t *testing.T) {
	s := new(entratest.Server)
	first := federated()
	first.Name = "first"
	require.NoError(t, s.Trust(first))
	for name, row := range map[string]struct {
		change func(*entratest.FederatedCredential)
		want   string
	}{
		"issuer and subject":      {func(c *entratest.FederatedCredential) { c.Name = "second" }, "already has a credential with this issuer and subject"},
		"other audience":          {func(c *entratest.FederatedCredential) { c.Name, c.Audiences = "second", []string{"x"} }, "already has a credential with this issuer and subject"},
		"tenant in another case":  {func(c *entratest.FederatedCredential) { c.Name, c.TenantID = "second", "CONTOSO" }, "already has a credential with this issuer and subject"},
		"name":                    {func(c *entratest.FederatedCredential) { c.Subject = "another" }, `federated credential "first"`},
		"subject in another case": {func(c *entratest.FederatedCredential) { c.Name, c.Subject = "", strings.ToUpper(subject) }, ""},
		"another client":          {func(c *entratest.FederatedCredential) { c.ClientID = bareClientID }, ""},
		"another tenant":          {func(c *entratest.FederatedCredential) { c.TenantID = "fabrikam" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := first
			row.change(&c)
			if row.want == "" {
				require.NoError(t, s.Trust(c))
				return
			}
			require.ErrorContains(t, s.Trust(c), row.want)
		})
	}
}

func TestIdentityHasAtMostTwentyCredentials(t *testing.T) {
	s := new(entratest.Server)
	cluster := new(entratest.Cluster)
	nth := func(n int) entratest.FederatedCredential {
		c := clusterCredential()
		c.Subject = fmt.Sprintf("system:serviceaccount:shop:app-%d", n)
		return c
	}
	for n := range 20 {
		require.NoError(t, s.TrustCluster(cluster, nth(n)))
	}
	require.ErrorContains(t, s.TrustCluster(cluster, nth(20)), "already has 20 federated credentials")
	present := func(n int) int {
		raw, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: fmt.Sprintf("app-%d", n)})
		require.NoError(t, err)
		return codeOf(t, s, with(validForm(t), "client_assertion", raw))
	}
	for n := range 20 {
		assert.Zero(t, present(n))
	}
	assert.Equal(t, 700213, present(20))

	freed := nth(0)
	freed.Issuer = entratest.DefaultIssuer
	require.NoError(t, s.Revoke(freed))
	require.NoError(t, s.TrustCluster(cluster, nth(20)))
	assert.Zero(t, present(20))
	assert.Equal(t, 700213, present(0))
}
