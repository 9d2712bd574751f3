package emit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
)

// credential holds the values read back from a form.
type credential struct{ Name, Issuer, Subject, Audience string }

func of(wl emit.Workload) credential {
	return credential{Issuer: wl.Issuer, Subject: wl.Subject, Audience: wl.Audience}
}

func write(t testing.TB, form string, wl emit.Workload) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, emit.Write(&text, form, wl))
	return text.String()
}
