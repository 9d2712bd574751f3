package emit_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

func write(t testing.TB, form string, wl emit.Workload) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, emit.Write(&text, form, wl))
	return text.String()
}

// workloads returns emittest's workloads, and many with values composed of characters that are
// special in some language.
func workloads() []emit.Workload {
	all := slices.Collect(maps.Values(emittest.Workloads()))
	for _, value := range values() {
		all = append(all, emittest.InCluster("https://issuer.example/"+value, value, value))
		all = append(all, emit.Workload{Issuer: value, Subject: value, Audience: value, Namespace: value, ServiceAccount: value})
	}
	return all
}

var pieces = []string{
	`'`, `'`, `"`, `"`, `\`, `\`, "`", `$`, `$`, `%`, `{`, `}`, `${`, `%{`, `$(`, `)`, `(`, `[`, `]`, `<`, `>`, `|`, `&`, `;`, `#`, ` #`, `: `, `- `, `?`, `!`,
	`*`, `~`, `@`, `=`, `,`, `.`, ` `, `  `, `-`, `--`, `---`, `//`, `/*`, `*/`, `n`, `t`, `u`, `x41`, `u{41}`, `u0041`, `U00000041`, `0`, `null`, `true`, `if`,
	`for`, `a`, `_`, `ü`, `名`, `🔑`, "\u00a0", "\u2028", "\ufeff", "\ufffe", "\u0301",
}

// values returns each piece, and many random combinations that are the same in every run.
func values() []string {
	all := slices.Clone(pieces)
	dice := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		var value strings.Builder
		for range 2 + dice.IntN(6) {
			value.WriteString(pieces[dice.IntN(len(pieces))])
		}
		all = append(all, value.String())
	}
	return all
}
