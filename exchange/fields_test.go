package exchange_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// unsent makes an exchange that must fail without sending anything, and returns the error.
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
		assert.NotContains(t, text, ";", "one mistake, one sentence")
		assert.NotContains(t, text, "\n")
	}
	r := request()
	r.Scopes = []string{"", " "}
	assert.Contains(t, unsent(t, r), "Scopes")
}

func TestCorrelationIDThatNoHeaderCarriesIsNotSent(t *testing.T) {
	for _, bad := range []string{"a\nb", "a\r\nX-Forged: 1", "\x00", "a\x7f", "a\n" + strings.Repeat("x", 1<<20)} {
		r := request()
		r.CorrelationID = bad
		text := unsent(t, r)
		assert.Contains(t, text, "field CorrelationID")
		assertFitToPrint(t, text)
		assert.Less(t, len(text), 512)
	}
}

// Entra ID gets some fields whatever they contain. No field makes the error as long as itself.
func TestErrorsAreBoundedWhateverTheFieldsAre(t *testing.T) {
	long := strings.Repeat("x ", 1<<19)
	for name, spoil := range map[string]func(*exchange.Request){
		"TenantID":      func(r *exchange.Request) { r.TenantID = long },
		"ClientID":      func(r *exchange.Request) { r.ClientID = long },
		"Scopes":        func(r *exchange.Request) { r.Scopes = []string{long} },
		"Claims":        func(r *exchange.Request) { r.Claims = long },
		"CorrelationID": func(r *exchange.Request) { r.CorrelationID = long },
	} {
		r := request()
		spoil(&r)
		echoing := doFunc(func(req *http.Request) (*http.Response, error) {
			text, err := json.Marshal(map[string]string{"error": body(t, req), "error_description": long, "correlation_id": req.Header.Get("client-request-id")})
			require.NoError(t, err)
			return reply(400, "application/json", string(text[:min(len(text), 1<<20)])), nil
		})
		_, err := newClient(t, once(echoing)).Exchange(t.Context(), r)
		require.Error(t, err, name)
		assert.Less(t, len(err.Error()), 4096, name)
		assertNoSecretIn(t, err)
	}
}

func TestTenantIDThatIsNoTenantIsNotSent(t *testing.T) {
	for _, bad := range []string{"", "..", "a/b", "../a", "a?b", "a%2fb", " a", "a\n", "ä"} {
		r := request()
		r.TenantID = bad
		assert.Contains(t, unsent(t, r), "TenantID")
	}
}

// Swapped fields must not put the assertion into the error.
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
