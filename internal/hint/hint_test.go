package hint_test

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/hint"
	"github.com/entrafed/entrafed/tokenfile"
)

// A hint is one line under 640 bytes, whatever its parts are and however long.
func TestHintIsOneShortLine(t *testing.T) {
	const aks = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dice := rand.New(rand.NewPCG(1, 2))
	// text returns one of the beginnings: as it is, padded to about the longest text shown, or far
	// longer.
	text := func(beginnings ...string) string {
		s := beginnings[dice.IntN(len(beginnings))]
		n := []int{0, 20, 50, 60, 70, 80, 90, 130, 5000}[dice.IntN(9)]
		return s + strings.Repeat("a", max(0, n-len(s)-len(`""`)))
	}
	codes := []int{0}
	for _, entry := range hint.Catalogue() {
		codes = append(codes, entry.Code)
	}
	hints := map[string]bool{}
	for range 2_000 {
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
		require.Less(t, len(line), 640, "%d: %s", code, line)
		require.NotContains(t, line, "{")
		require.False(t, strings.ContainsFunc(line, unicode.IsControl), "%q", line)
		if code != 0 {
			require.True(t, strings.HasPrefix(line, "likely cause: ") && strings.Contains(line, "; fix: "), line)
		}
	}
	require.Greater(t, len(hints), 500, "the dice reach many different hints")
}

func TestUnknownCodeHasNoHint(t *testing.T) {
	for _, codes := range [][]int{nil, {4242424}, {0}} {
		require.Zero(t, hint.For(&exchange.Error{EntraCodes: codes}, &tokenfile.Token{}, hint.Settings{}), codes)
		require.Empty(t, hint.For(&exchange.Error{EntraCodes: codes}, nil, hint.Settings{}).String())
	}
}

func TestForeignErrorHasNoHint(t *testing.T) {
	require.Zero(t, hint.Of(errors.New("no route to host")))
}

// The scope in the hint can be requested as it stands.
func TestSuggestedScopeHasNoPermission(t *testing.T) {
	for scope, want := range map[string]string{
		"https://vault.azure.net":                             "https://vault.azure.net/.default",
		"https://storage.azure.com/":                          "https://storage.azure.com/.default",
		"https://graph.microsoft.com/User.Read":               "https://graph.microsoft.com/.default",
		"api://11111111-2222-4333-8444-555555555555/Jobs.Run": "api://11111111-2222-4333-8444-555555555555/.default",
		"11111111-2222-4333-8444-555555555555":                "11111111-2222-4333-8444-555555555555/.default",
		"api://shop/orders":                                   "api://shop/orders/.default", // not a permission, perhaps

		// Misspelled suffixes.
		"https://vault.azure.net/default":                "https://vault.azure.net/.default",
		"https://vault.azure.net.default":                "https://vault.azure.net/.default",
		"https://vault.azure.net./default":               "https://vault.azure.net/.default",
		"https://vault.azure.net/.Default":               "https://vault.azure.net/.default",
		"https://vault.azure.net/.DEFAULT/":              "https://vault.azure.net/.default",
		"https://vault.azure.net/.default/":              "https://vault.azure.net/.default",
		"api://shop/default":                             "api://shop/.default",
		"api://shop.default":                             "api://shop/.default",
		"api://shop./default":                            "api://shop/.default",
		"api://shop/.Default":                            "api://shop/.default",
		"api://shop/.default/":                           "api://shop/.default",
		"11111111-2222-4333-8444-555555555555/default":   "11111111-2222-4333-8444-555555555555/.default",
		"https://contoso.onmicrosoft.com/shop/.default/": "https://contoso.onmicrosoft.com/shop/.default",
		"https://contoso.onmicrosoft.com/shopdefault":    "https://contoso.onmicrosoft.com/shopdefault/.default",
	} {
		h := hint.For(&exchange.Error{EntraCodes: []int{1002012}}, &tokenfile.Token{}, hint.Settings{Scope: scope})
		require.Contains(t, h.Fix, `as in "`+want+`":`)
	}
}

func github() *tokenfile.Token {
	return &tokenfile.Token{
		Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:octo/shop:ref:refs/heads/main",
		Audience: []string{"api://AzureADTokenExchange"}, Algorithm: "RS256",
	}
}

func account() *tokenfile.Token {
	return &tokenfile.Token{
		Issuer: "https://oidc.example", Subject: "system:serviceaccount:shop:orders", Audience: []string{"api://AzureADTokenExchange"}, Algorithm: "RS256",
	}
}

// kubernetesWords mean nothing to people whose token comes from GitHub or from their own issuer.
var kubernetesWords = regexp.MustCompile(`(?i)kube|\baks\b|\bpods?\b|\bmount|projected|webhook|serviceaccount|service account|azure\.workload\.identity|subPath|\bnode\b|cluster`)

// Only hints for service accounts' tokens use Kubernetes' words, whatever else is wrong with the
// token.
func TestOnlyServiceAccountsGetKubernetesWords(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	codes, podWords := []int{7002199, 5002799, 0}, 0
	for _, entry := range hint.Catalogue() {
		codes = append(codes, entry.Code)
	}
	for name, change := range map[string]func(*tokenfile.Token, *hint.Settings){
		"nothing":        func(*tokenfile.Token, *hint.Settings) {},
		"slash":          func(token *tokenfile.Token, _ *hint.Settings) { token.Issuer += "/" },
		"private issuer": func(token *tokenfile.Token, _ *hint.Settings) { token.Issuer = "https://ci.corp" },
		"its own":        func(token *tokenfile.Token, _ *hint.Settings) { token.Audience = []string{token.Issuer} },
		"algorithm":      func(token *tokenfile.Token, _ *hint.Settings) { token.Algorithm = "ES256" },
		"lifetime":       func(token *tokenfile.Token, _ *hint.Settings) { token.IssuedAt = now.Add(-100 * time.Hour) },
		"no exp":         func(token *tokenfile.Token, _ *hint.Settings) { token.IssuedAt, token.Expiry = now, time.Time{} },
		"expired":        func(token *tokenfile.Token, _ *hint.Settings) { token.Expiry = now.Add(-time.Hour) },
		"expired file":   func(token *tokenfile.Token, s *hint.Settings) { token.Expiry, s.FromFile = now.Add(-time.Hour), true },
		"almost expired": func(token *tokenfile.Token, _ *hint.Settings) { token.Expiry = now.Add(time.Minute) },
		"not yet valid":  func(token *tokenfile.Token, _ *hint.Settings) { token.NotBefore = now.Add(time.Hour) },
		"client's name":  func(_ *tokenfile.Token, s *hint.Settings) { s.ClientID = "orders" },
		"government":     func(token *tokenfile.Token, s *hint.Settings) { s.Host = "login.microsoftonline.us" },
		"for government": func(token *tokenfile.Token, s *hint.Settings) {
			token.Audience = []string{"api://AzureADTokenExchangeUSGov"}
		},
		"of Entra ID": func(token *tokenfile.Token, _ *hint.Settings) {
			token.Issuer = "https://login.microsoftonline.com/t/v2.0"
		},
		"Azure DevOps": func(token *tokenfile.Token, _ *hint.Settings) {
			token.Issuer, token.Subject = "https://login.microsoftonline.com/t/v2.0", "/eid1/c/pub/t/x"
		},
		"GitLab": func(token *tokenfile.Token, _ *hint.Settings) {
			token.Issuer, token.Subject = "https://gitlab.com", "project_path:g/p:ref_type:branch:ref:main"
		},
		"own issuer": func(token *tokenfile.Token, _ *hint.Settings) {
			token.Issuer, token.Subject = "https://jenkins.example/oidc", "job/shop"
		},
	} {
		for _, code := range codes {
			of := func(token *tokenfile.Token) string {
				token.IssuedAt, token.Expiry = now, now.Add(time.Hour)
				settings := hint.Settings{
					ClientID: "11111111-2222-4333-8444-555555555555", TenantID: "t", Scope: "https://vault.azure.net/.default", Source: "the source", Host: "login.microsoftonline.com", Now: now,
				}
				change(token, &settings)
				return hint.For(&exchange.Error{StatusCode: 401, EntraCodes: []int{code}}, token, settings).String()
			}
			require.NotRegexp(t, kubernetesWords, of(github()), "%s: %d", name, code)
			if kubernetesWords.MatchString(of(account())) {
				podWords++
			}
		}
	}
	require.Greater(t, podWords, 100, "hints for service accounts use Kubernetes' words")
}

// The hint shows both forms of a subject, because nothing here shows which one is registered.
func TestSubjectsOfGitHubAndGitLab(t *testing.T) {
	for subject, want := range map[string][]string{
		"repo:octo/shop:ref:refs/heads/main":         {"OWNER/REPO", "OWNER@ID/REPO@ID"},
		"repo:octo@1/shop@2:environment:production":  {"OWNER/REPO", "OWNER@ID/REPO@ID"},
		"project_path:octo/shop:ref_type:branch:ref": {"project_path:GROUP/PROJECT", "project_id:ID"},
		"project_id:7:ref_type:branch:ref:main":      {"project_path:GROUP/PROJECT", "project_id:ID"},
	} {
		token := github()
		token.Subject = subject
		if strings.HasPrefix(subject, "project") {
			token.Issuer = "https://gitlab.com"
		}
		for _, code := range []int{70021, 700213, 7002131} {
			h := hint.For(&exchange.Error{EntraCodes: []int{code}}, token, hint.Settings{})
			for _, words := range want {
				require.Contains(t, h.Cause, words)
			}
			require.Contains(t, h.Fix, strconv.Quote(subject), "the whole subject fits")
		}
	}
}

// In a sovereign cloud the pod presents the public audience, which the webhook projects everywhere.
func TestAudienceInASovereignCloud(t *testing.T) {
	for host, audience := range map[string]string{
		"login.microsoftonline.us": "api://AzureADTokenExchangeUSGov", "login.partner.microsoftonline.cn": "api://AzureADTokenExchangeChina",
	} {
		for _, token := range []*tokenfile.Token{github(), account()} {
			h := hint.For(&exchange.Error{EntraCodes: []int{700212}}, token, hint.Settings{Host: host})
			require.Contains(t, h.Cause, `"api://AzureADTokenExchange"`)
			require.Contains(t, h.Cause, audience)
			require.Contains(t, h.Fix, `audience to "api://AzureADTokenExchange"`)
			require.Contains(t, h.Fix, "a token for "+audience)
		}
	}
}

func TestUnreachableIssuerIsNamedByItsURL(t *testing.T) {
	for _, issuer := range []string{"https://oidc.example", "https://oidc.example/"} {
		token := account()
		token.Issuer = issuer
		h := hint.For(&exchange.Error{EntraCodes: []int{90061}}, token, hint.Settings{})
		require.Contains(t, h.Cause, `"https://oidc.example/.well-known/openid-configuration"`)
		require.Contains(t, h.Fix, "--service-account-jwks-uri")
		require.NotContains(t, h.Fix, "az aks")
	}
}

// Entra ID can fetch nothing from a private name, so registering such an issuer is pointless.
func TestPrivateNames(t *testing.T) {
	for _, host := range []string{
		"kubernetes", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "kubernetes.default.svc.my.domain", "kubernetes.default.svc.cluster.local.",
		"oidc.lan", "oidc.home.arpa", "oidc.corp", "oidc.intranet", "oidc.test", "oidc.internal", "oidc.local", "oidc.localhost", "OIDC.LAN", "oidc.lan:6443",
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "127.0.0.1", "100.64.0.1", "100.127.255.255", "169.254.1.1", "0.0.0.0",
		"[fe80::1]", "[fe80::1%25eth0]", "[fd00::1]", "[::1]", "[::]", "[::ffff:10.0.0.1]",
	} {
		require.True(t, hint.Private("https://"+host), host)
		require.True(t, hint.Private("https://"+host+"/openid"), host)
	}
	for _, issuer := range []string{"http://oidc.example", "kubernetes/serviceaccount", "", "https://"} {
		require.True(t, hint.Private(issuer), issuer)
	}
	for _, host := range []string{"oidc.example", "oidc.example.", "lan.example", "corp.com", "8.8.8.8", "100.128.0.1", "[2001:4860:4860::8888]", "svc.example.com", "oidc.example:6443"} {
		require.False(t, hint.Private("https://"+host), host)
	}
}

// Swapped IDs show only because the AKS cluster belongs to the tenant in the client ID's place.
func TestSwappedIDs(t *testing.T) {
	token := account()
	token.Issuer = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"
	settings := hint.Settings{TenantID: "11111111-2222-4333-8444-555555555555", ClientID: "10000000-0000-4000-8000-000000000001"}
	for _, code := range []int{90002, 700016} {
		h := hint.For(&exchange.Error{EntraCodes: []int{code}}, token, settings)
		require.Equal(t, hint.Tenant, h.Field)
		require.Contains(t, h.Cause, "the client ID and the tenant are swapped")
		require.Equal(t, hint.Unswap, h.Fix)
	}
	settings.TenantID = settings.ClientID
	require.NotContains(t, hint.For(&exchange.Error{EntraCodes: []int{90002}}, token, settings).Cause, "swapped")
}

func TestMissingTenantDiffersFromMissingIdentity(t *testing.T) {
	token := &tokenfile.Token{Issuer: "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"}
	settings := hint.Settings{ClientID: "11111111-2222-4333-8444-555555555555", TenantID: "33333333-4444-4555-8666-777777777777"}
	for code, want := range map[int]string{90002: "does not exist", 700016: "is not in tenant"} {
		cause := hint.For(&exchange.Error{EntraCodes: []int{code}}, token, settings).Cause
		require.Contains(t, cause, want)
		require.Contains(t, cause, "AKS cluster's tenant, 10000000-")
	}
}

func TestUnreadableTokenHasAHint(t *testing.T) {
	for _, entry := range hint.Catalogue() {
		h := hint.For(&exchange.Error{EntraCodes: []int{entry.Code}}, nil, hint.Settings{Source: "x"})
		require.NotEmpty(t, h.Cause)
		require.Contains(t, h.Cause+h.Fix, string(h.Field))
	}
}
