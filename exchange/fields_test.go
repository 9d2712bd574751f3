package exchange_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// unsent returns the error of an exchange that must send nothing.
func unsent(t testing.TB, r exchange.Request) string {
	t.Helper()
	c := newClient(t, once(doFunc(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return reply(200, "application/json", success), nil
	})))
	token, err := c.Exchange(t.Context(), r)
	require.Error(t, err)
	assert.Zero(t, token)
	return err.Error()
}

func TestEveryBadFieldIsNamedAtOnce(t *testing.T) {
	text := unsent(t, exchange.Request{Claims: "{"})
	for _, name := range []string{"TenantID", "ClientID", "Scopes", "Assertion", "Claims"} {
		assert.Equal(t, 1, strings.Count(text, name), "%s in %q", name, text)
	}
	assert.True(t, strings.HasPrefix(text, "exchange: "), text)
}

func TestEachRequiredField(t *testing.T) {
	for name, spoil := range map[string]func(*exchange.Request){
		"TenantID":  func(r *exchange.Request) { r.TenantID = "" },
		"ClientID":  func(r *exchange.Request) { r.ClientID = "" },
		"Scopes":    func(r *exchange.Request) { r.Scopes = nil },
		"Assertion": func(r *exchange.Request) { r.Assertion = "" },
	} {
		r := request()
		spoil(&r)
		text := unsent(t, r)
		assert.Contains(t, text, name)
		assert.NotContains(t, text, ";", "one fault, one sentence")
		assert.NotContains(t, text, "\n")
	}
	r := request()
	r.Scopes = []string{"", " "}
	assert.Contains(t, unsent(t, r), "Scopes")
}

func TestTenantIDCharacters(t *testing.T) {
	long := strings.Repeat("a", 253)
	for _, good := range []string{
		long, tenantID, "contoso.onmicrosoft.com", "common", "a", "0", "a-b.c", "xn--bcher-kva.example",
		"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789",
	} {
		assert.True(t, exchange.ValidTenantID(good), good)
	}
	for _, bad := range []string{
		long + "a", strings.ReplaceAll(assertion, "_", "-"), "", ".", "..", "...", "a/b", "../a", "a?b", "a#b", "a%2fb", "a b", " a", "a\n", "a\x00",
		"a@b", "a:b", "a_b", "a[b", "a`b", "a\\b", "ä", "а", "{a}", "a;b", "a&b",
	} {
		assert.False(t, exchange.ValidTenantID(bad), "%q", bad)
		r := request()
		r.TenantID = bad
		assert.Contains(t, unsent(t, r), "TenantID")
	}
}

// Fields that changed places must not put the assertion into the error.
func TestAssertionInTheWrongFieldIsNotPrinted(t *testing.T) {
	r := request()
	r.TenantID, r.Assertion = assertion+"_", tenantID
	text := unsent(t, r)
	assert.Contains(t, text, "TenantID")
	assertNoSecret(t, text)

	r = request()
	r.Claims = assertion
	assertNoSecret(t, unsent(t, r))
}
