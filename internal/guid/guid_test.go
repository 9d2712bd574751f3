package guid_test

import (
	"strings"
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

func TestIs(t *testing.T) {
	for _, id := range []string{guid.New(), "AAAAAAAA-bbbb-4ccc-8ddd-eeeeeeeeeeee"} {
		require.True(t, guid.Is(id), id)
	}
	for _, other := range []string{"", "contoso.com", guid.New() + "0", "g" + guid.New()[1:], strings.ReplaceAll(guid.New(), "-", "")} {
		require.False(t, guid.Is(other), other)
	}
}

// A tenant's name becomes part of a URL.
func TestOrDomain(t *testing.T) {
	long := strings.Repeat("a", 253)
	for _, good := range []string{
		long, guid.New(), "contoso.onmicrosoft.com", "common", "a", "0", "a-b.c", "xn--bcher-kva.example",
		"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789",
	} {
		require.True(t, guid.OrDomain(good), good)
	}
	for _, bad := range []string{
		long + "a", "", ".", "..", "...", "a/b", "../a", "a?b", "a#b", "a%2fb", "a b", " a", "a\n", "a\x00",
		"a@b", "a:b", "a_b", "a[b", "a`b", "a\\b", "ä", "а", "{a}", "a;b", "a&b",
	} {
		require.False(t, guid.OrDomain(bad), "%q", bad)
	}
}
