package hint_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/hint"
)

func TestEveryEntryIsComplete(t *testing.T) {
	seen := map[int]bool{}
	for _, entry := range hint.Catalogue() {
		require.False(t, seen[entry.Code], entry.Code)
		seen[entry.Code] = true
		require.NotEmpty(t, entry.Means, entry.Code)
		require.Regexp(t, regexp.QuoteMeta(string(entry.Field)), entry.Cause+" "+entry.Fix, entry.Code)
		require.NotRegexp(t, `\.$|\n|^$`, entry.Cause, entry.Code)
		require.NotRegexp(t, `\.$|\n|^$`, entry.Fix, entry.Code)
		got, ok := hint.Lookup(entry.Code)
		require.True(t, ok)
		require.Equal(t, entry, got)
	}
	require.Greater(t, len(seen), 50)
	_, ok := hint.Lookup(4242424)
	require.False(t, ok)
}

// Retries depend on these codes, so an edited text must not change them unnoticed.
func TestCodesThatPassOnTheirOwn(t *testing.T) {
	pauses, stale := map[int]time.Duration{}, []int{}
	for _, entry := range hint.Catalogue() {
		if pause := hint.Pause(entry.Code); pause > 0 {
			pauses[entry.Code] = pause
		}
		if hint.StaleAssertion(entry.Code) {
			stale = append(stale, entry.Code)
		}
	}
	const soon, later = time.Second, 5 * time.Second
	require.Equal(t, map[int]time.Duration{
		70021: soon, 700211: soon, 700213: soon, 70025: soon, 7000272: soon, 90061: soon, 50166: soon, 501661: soon,
		7002111: soon, 7002131: soon, 700222: soon,
		50033: later, 50087: later, 90006: later, 90012: later, 90024: later, 90033: later, 90055: later, 90090: later,
	}, pauses)
	require.ElementsMatch(t, []int{700024, 50027, 7000216}, stale)
	require.Equal(t, soon, hint.Pause(7002199), "by its family")
	require.Zero(t, hint.Pause(5002799), "by its family")
	require.Zero(t, hint.Pause(4242424))
	require.False(t, hint.StaleAssertion(4242424))
}

// A code newer than the catalogue gets its family's field, retry rule and text.
func TestCodesOfAFamily(t *testing.T) {
	for code, field := range map[int]hint.Field{
		700240: hint.Credential, 7002000: hint.Credential, 7002199: hint.Credential, 7002999: hint.Credential,
		5002700: hint.Token, 5002731: hint.Token, 5002799: hint.Token,
	} {
		entry, ok := hint.Lookup(code)
		require.True(t, ok, code)
		require.Equal(t, code, entry.Code)
		require.Equal(t, field, entry.Field, code)
		h := hint.For(&exchange.Error{EntraCodes: []int{code}}, github(), hint.Settings{Source: "the source"})
		require.Equal(t, field, h.Field)
		require.Contains(t, h.Cause, string(field))
		require.NotEmpty(t, h.Fix)
	}
	for _, code := range []int{7001999, 7003000, 5002800, 700300, 50026} {
		_, ok := hint.Lookup(code)
		require.False(t, ok, code)
	}

	h := hint.For(&exchange.Error{EntraCodes: []int{7002199, 700016}}, github(), hint.Settings{ClientID: "11111111-2222-4333-8444-555555555555"})
	require.Equal(t, hint.ClientID, h.Field, "the catalogue's own entry says more")
	h = hint.For(&exchange.Error{EntraCodes: []int{7002139}}, github(), hint.Settings{})
	require.Equal(t, hint.Subject, h.Field, "it is a special case of 700213")
}
