package hint_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/aadsts"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/tokenfile"
)

// Whatever the parts are, and however long, a hint is one line of less than 400 bytes.
func TestHintIsOneShortLine(t *testing.T) {
	const aks = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dice := rand.New(rand.NewPCG(1, 2))
	// text is one of the beginnings, as it is or just short enough to be shown, or too long for that.
	text := func(beginnings ...string) string {
		s := beginnings[dice.IntN(len(beginnings))]
		n := []int{0, 20, 50, 60, 70, 80, 90, 130, 5000}[dice.IntN(9)]
		return s + strings.Repeat("a", max(0, n-len(s)-len(`""`)))
	}
	codes := []int{0}
	for _, entry := range aadsts.All() {
		codes = append(codes, entry.Code)
	}
	hints := map[string]bool{}
	for range 5_000 {
		expiry := now.Add([]time.Duration{-240 * time.Hour, -time.Minute, time.Minute, time.Hour}[dice.IntN(4)])
		token := &tokenfile.Token{
			Issuer:   text("https://i.example/", "https://sts.windows.net/", "kubernetes/serviceaccount", "https://token.actions.githubusercontent.com/", "https://k.svc", aks, "\n\""),
			Subject:  text("", "system:serviceaccount:shop:default", "system:serviceaccount:shop:", "\n\x00"),
			Audience: []string{text("", "api://AzureADTokenExchange", "api://AzureADTokenExchangeChina", "api://AKSIdentityBinding", "https://kubernetes.default.svc")},
			IssuedAt: expiry.Add(-48 * time.Hour), NotBefore: expiry.Add(-24 * time.Hour), Expiry: expiry, Algorithm: text("RS256", "ES256"),
		}
		code := codes[dice.IntN(len(codes))]
		line := hint.For(
			&exchange.Error{StatusCode: 403, EntraCodes: []int{4242424, code}, Date: now.Add(time.Duration(dice.IntN(3)-1) * 876_000 * time.Hour)}, token,
			hint.Settings{
				ClientID: text("", "name"), TenantID: text("common", "t"), Scope: text("https://a/.default", "https://vault.azure.cn/", "https://a%2F", "https://a.vault.azure.net/.default"),
				Host: text("", "login.microsoftonline.us"), Binding: dice.IntN(4) == 0, Source: text("the token file /"), FromFile: dice.IntN(2) == 0, Now: now,
			}).String()
		hints[line] = true
		require.Less(t, len(line), 400, "%d: %s", code, line)
		require.NotContains(t, line, "{")
		require.False(t, strings.ContainsFunc(line, unicode.IsControl), "%q", line)
		if code != 0 {
			require.Regexp(t, "^likely cause: .+; fix: .+", line)
		}
	}
	require.Greater(t, len(hints), 500, "the dice reach something")
}

func TestNothingKnownIsNoHint(t *testing.T) {
	for _, codes := range [][]int{nil, {4242424}, {0}} {
		require.Zero(t, hint.For(&exchange.Error{EntraCodes: codes}, &tokenfile.Token{}, hint.Settings{}), codes)
		require.Empty(t, hint.For(&exchange.Error{EntraCodes: codes}, nil, hint.Settings{}).String())
	}
}

func TestErrorOfSomethingElseHasNoHint(t *testing.T) {
	require.Zero(t, hint.Of(errors.New("no route to host")))
}

// The scope that the hint gives can be asked for as it stands.
func TestPermissionIsNoPartOfTheScopeToAskFor(t *testing.T) {
	for scope, want := range map[string]string{
		"https://vault.azure.net":                             "https://vault.azure.net/.default",
		"https://storage.azure.com/":                          "https://storage.azure.com/.default",
		"https://graph.microsoft.com/User.Read":               "https://graph.microsoft.com/.default",
		"api://11111111-2222-4333-8444-555555555555/Jobs.Run": "api://11111111-2222-4333-8444-555555555555/.default",
		"11111111-2222-4333-8444-555555555555":                "11111111-2222-4333-8444-555555555555/.default",
		"api://shop/orders":                                   "api://shop/orders/.default", // where a permission begins cannot be told
	} {
		h := hint.For(&exchange.Error{EntraCodes: []int{1002012}}, &tokenfile.Token{}, hint.Settings{Scope: scope})
		require.Contains(t, h.Fix, `as in "`+want+`":`)
	}
}

func TestTenantThatDoesNotExistIsNotOneThatLacksTheIdentity(t *testing.T) {
	token := &tokenfile.Token{Issuer: "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"}
	settings := hint.Settings{ClientID: "11111111-2222-4333-8444-555555555555", TenantID: "33333333-4444-4555-8666-777777777777"}
	for code, want := range map[int]string{90002: "does not exist", 700016: "is not in tenant"} {
		cause := hint.For(&exchange.Error{EntraCodes: []int{code}}, token, settings).Cause
		require.Contains(t, cause, want)
		require.Contains(t, cause, "AKS cluster's, 10000000-")
	}
}

func TestWhatCannotBeReadHasAHintAllTheSame(t *testing.T) {
	for _, entry := range aadsts.All() {
		h := hint.For(&exchange.Error{EntraCodes: []int{entry.Code}}, nil, hint.Settings{Source: "x"})
		require.NotEmpty(t, h.Cause)
		require.Contains(t, h.Cause+h.Fix, string(h.Field))
	}
}
