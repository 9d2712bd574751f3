package exchange_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

func TestRequestPrintsWithoutTheAssertion(t *testing.T) {
	r := request()
	for _, value := range []any{
		r, &r, []exchange.Request{r}, []*exchange.Request{&r}, map[string]exchange.Request{"a": r}, []any{r, &r}, [1]exchange.Request{r},
		struct{ R exchange.Request }{r}, struct{ R *exchange.Request }{&r}, struct{ exchange.Request }{r}, &struct{ R exchange.Request }{r},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x", "%t", "%10v", "%T"} {
			assertNoSecret(t, fmt.Sprintf(verb, value))
		}
		assertNoSecret(t, fmt.Sprint(value))
		assertNoSecret(t, logged(value))
		marshaled, err := json.Marshal(value)
		require.NoError(t, err)
		assertNoSecret(t, string(marshaled))
	}
	type named struct{ R exchange.Request }
	for _, value := range []any{r, &r, []exchange.Request{r}, named{r}, &named{r}} {
		text, err := xml.Marshal(value)
		require.NoError(t, err)
		assert.Contains(t, string(text), clientID)
		assertNoSecret(t, string(text))
	}
}

func TestRequestPrintsTheRest(t *testing.T) {
	r := request()
	r.Claims, r.EnableCAE, r.CorrelationID = challenge, true, correlationID
	marshaled, err := json.Marshal(r)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprint(r), string(marshaled), logged(r)} {
		for _, part := range []string{tenantID, clientID, scope, correlationID, "[redacted]"} {
			assert.Contains(t, text, part)
		}
	}
	assert.NotContains(t, fmt.Sprint(exchange.Request{}), "[redacted]", "a missing assertion shows as missing")
}

func TestClientHoldsNoSecret(t *testing.T) {
	c := newClient(t, once(always(200, "application/json", success)))
	_, err := c.Exchange(t.Context(), request())
	require.NoError(t, err)
	assertNoSecret(t, fmt.Sprintf("%+v %#v", c, c))
}
