package aadsts_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/aadsts"
)

func TestEveryEntryIsComplete(t *testing.T) {
	seen := map[int]bool{}
	for _, entry := range aadsts.All() {
		require.False(t, seen[entry.Code], entry.Code)
		seen[entry.Code] = true
		require.NotEmpty(t, entry.Means, entry.Code)
		require.Regexp(t, regexp.QuoteMeta(string(entry.Field)), entry.Cause+" "+entry.Fix, entry.Code)
		require.NotRegexp(t, `\.$|\n|^$`, entry.Cause, entry.Code)
		require.NotRegexp(t, `\.$|\n|^$`, entry.Fix, entry.Code)
		got, ok := aadsts.Of(entry.Code)
		require.True(t, ok)
		require.Equal(t, entry, got)
	}
	require.Greater(t, len(seen), 50)
	_, ok := aadsts.Of(4242424)
	require.False(t, ok)
}

// Retries follow these, so that a new text cannot change them unnoticed.
func TestWhatPassesByItself(t *testing.T) {
	pauses, stale := map[int]time.Duration{}, []int{}
	for _, entry := range aadsts.All() {
		if pause := aadsts.Pause(entry.Code); pause > 0 {
			pauses[entry.Code] = pause
		}
		if aadsts.StaleAssertion(entry.Code) {
			stale = append(stale, entry.Code)
		}
	}
	const soon, later = time.Second, 5 * time.Second
	require.Equal(t, map[int]time.Duration{
		70021: soon, 700211: soon, 700213: soon, 70025: soon, 7000272: soon, 90061: soon, 50166: soon, 501661: soon,
		50033: later, 50087: later, 90006: later, 90012: later, 90024: later, 90033: later, 90055: later, 90090: later,
	}, pauses)
	require.ElementsMatch(t, []int{700024, 50027, 7000216}, stale)
	require.Zero(t, aadsts.Pause(4242424))
	require.False(t, aadsts.StaleAssertion(4242424))
}
