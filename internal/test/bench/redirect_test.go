package bench

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// redirect measures an endpoint, or something in between, that redirects to another host.
func redirect(status int) situation {
	return situation{
		title: fmt.Sprintf("%d from the endpoint to another host", status), goal: "refused",
		onlySignIn: true,
		run: func(t *testing.T, c candidate) outcome {
			entra, elsewhere := new(entratest.Server), new(entratest.Server)
			away := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://elsewhere.example"+r.URL.Path, status)
			})
			client := overTLS(t, map[string]http.Handler{entraHost: instead(entra, away), "elsewhere.example": elsewhere})
			cred := c.open(t, at(t, client))
			_, err := timed(t.Context(), cred, vault)
			posted := 0
			for _, r := range elsewhere.Requests() {
				if r.Assertion != "" {
					posted++
				}
			}
			switch {
			case posted > 0:
				return outcome{"assertion posted there", float64(posted)}
			case err == nil:
				return outcome{"no error", 1}
			}
			return outcome{"refused", 0}
		},
		check: func(t *testing.T, us, _ outcome) { require.Equal(t, "refused", us.text) },
	}
}
