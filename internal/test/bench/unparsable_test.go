package bench

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// unparsable measures a truncated success reply that contains a token.
var unparsable = situation{
	title: "success body that does not parse: error text", goal: "no secret, under 1 KiB",
	onlySignIn: true,
	run: func(t *testing.T, c candidate) outcome {
		secret := "eyJ0eXAiOiJKV1QifQ." + strings.Repeat("secret", 200) + ".signature"
		entra := new(entratest.Server)
		entra.SetReply(&entratest.Reply{
			Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"token_type":"Bearer","expires_in":3599,"access_token":"` + secret + `"`,
		})
		_, err := timed(t.Context(), c.open(t, at(t, entra)), vault)
		require.Error(t, err)
		text := fmt.Sprintf("%+v", err)
		said := "no secret"
		if strings.Contains(text, secret[:30]) || strings.Contains(text, secret[600:630]) {
			said = "access token in it"
		}
		return outcome{fmt.Sprintf("%s, %s", said, bytesText(uint64(len(text)))), float64(len(text))}
	},
	check: func(t *testing.T, us, _ outcome) {
		require.Contains(t, us.text, "no secret")
		require.Less(t, us.cost, 1024.0)
	},
}
