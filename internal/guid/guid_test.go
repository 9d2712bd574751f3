package guid_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/guid"
)

func TestNewIsARandomGUID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := guid.New()
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id, "version 4 of RFC 9562")
		require.False(t, seen[id])
		seen[id] = true
	}
}
