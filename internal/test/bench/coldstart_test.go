package bench

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// coldStart counts the requests of a new credential with default options for its first token.
var coldStart = situation{
	title: "cold start, default options: HTTP requests", goal: "1",
	onlySignIn: true,
	run: func(t *testing.T, c candidate) outcome {
		entra := new(entratest.Server)
		get(t, c.open(t, at(t, overTLS(t, map[string]http.Handler{entraHost: entra}))), vault)
		var kinds []string
		for _, r := range entra.Requests() {
			kinds = append(kinds, string(r.Kind))
		}
		return outcome{fmt.Sprintf("%d (%s)", len(kinds), strings.Join(kinds, ", ")), float64(len(kinds))}
	},
	check: func(t *testing.T, us, _ outcome) { require.EqualValues(t, 1, us.cost) },
}
