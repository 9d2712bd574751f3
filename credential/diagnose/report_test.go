package diagnose_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/broken"
)

// unregistered is a report of a pod whose namespace is not the registered one.
func unregistered(t *testing.T) diagnose.Report {
	p := newPod(t)
	token, err := p.Cluster.Token(entratest.TokenRequest{Namespace: "staging", ServiceAccount: "orders", Pod: "orders-0"})
	require.NoError(t, err)
	p.Options.Assertion = fixed(token)
	return run(t, p)
}

func TestTextHasOneMarkForEachLink(t *testing.T) {
	text := unregistered(t).String()
	require.Regexp(t, regexp.MustCompile(`(?s)^✔  environment .*\n✔  token file .*\n✔  service account .*\n✔  OIDC issuer .*\n✘  federated credential failure .*\n–  access token .*\n–  resource `), text)
	require.Contains(t, text, "\n    problem             no federated credential of client ID ")
	require.Contains(t, text, "\n    fix                 register ")
	require.Contains(t, text, "\nTo be mended: federated credential. ")
	require.Contains(t, text, "\nThis report holds no secret: ")
	require.NotContains(t, text, "\x1b")
	require.NotRegexp(t, `(?m) $`, text)
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 120 {
			require.NotContains(t, strings.TrimSpace(line[30:]), " ", "only a word that is long by itself may be: "+line)
		}
	}
}

func TestColourIsForTerminals(t *testing.T) {
	r := unregistered(t)
	var coloured strings.Builder
	require.NoError(t, r.WriteText(&coloured, true))
	require.Contains(t, coloured.String(), "\x1b[31m✘\x1b[0m  federated credential")
	require.Equal(t, r.String(), regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(coloured.String(), ""))
}

func TestReportMarshalsToJSONAndBack(t *testing.T) {
	r := unregistered(t)
	data, err := json.Marshal(r)
	require.NoError(t, err)
	var back diagnose.Report
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, r, back)
	require.Contains(t, string(data), `"verdict":"misconfigured"`)
}

// The page goes into tickets: it must not load anything, and what it shows must not act.
func TestPageIsSelfContained(t *testing.T) {
	p := newPod(t)
	foreign := &entratest.Cluster{Issuer: `https://x.example/<script>alert(1)</script>"onload="x`}
	token, err := foreign.Token(entratest.TokenRequest{Namespace: "<img src=x>"})
	require.NoError(t, err)
	p.Options.Assertion = fixed(token)
	page := texts(t, run(t, p))["HTML"]
	require.NotRegexp(t, `(?i)<(script|img|link|iframe|object)|<[^>]*\s(src|href)=|url\(|@import`, page)
	require.Contains(t, page, "&lt;script&gt;")
	require.Contains(t, page, `Content-Security-Policy" content="default-src 'none'`)
	for _, link := range []string{"environment", "token file", "service account", "OIDC issuer", "federated credential", "access token", "resource"} {
		require.Contains(t, page, "<h2>"+link+"<small>")
	}
	require.Contains(t, page, "This report holds no secret")
}

// Whoever issues the token decides how long its claims are.
func TestReportOfAMegabyteOfClaimsIsShort(t *testing.T) {
	p := newPod(t)
	foreign := &entratest.Cluster{Issuer: "https://x.example/" + strings.Repeat("y", 300<<10)}
	token, err := foreign.Token(entratest.TokenRequest{Namespace: strings.Repeat("n ", 50<<10), Pod: strings.Repeat("p", 100<<10)})
	require.NoError(t, err)
	p.Options.Assertion = fixed(token)
	for form, text := range texts(t, run(t, p)) {
		require.Less(t, len(text), 64<<10, form)
	}
}

// A link that Entra ID objects to is not praised in any form.
func TestFailureHasNoSummary(t *testing.T) {
	p := newPod(t)
	setup, _ := broken.Of("client-id-is-name")
	require.NoError(t, setup.Break(p))
	setenv(t, p)
	r := run(t, p)
	require.Empty(t, link(t, r, diagnose.Environment).Summary, r)
}

// What a token says goes to a terminal: it is not for that to interpret.
func TestTextHasNoControlCharacters(t *testing.T) {
	p := newPod(t)
	foreign := &entratest.Cluster{Issuer: "https://x.example/\x1b[2J\u202e"}
	token, err := foreign.Token(entratest.TokenRequest{Namespace: "a\nb\x07"})
	require.NoError(t, err)
	p.Options.Assertion = fixed(token)
	require.NotRegexp(t, "[\x00-\x09\x0b-\x1f\u202e]", run(t, p).String())
}

func TestWritersErrorIsReturned(t *testing.T) {
	r := unregistered(t)
	require.Error(t, r.WriteText(broke{}, false))
	require.Error(t, r.WriteHTML(broke{}))
}

type broke struct{}

func (broke) Write([]byte) (int, error) { return 0, errors.New("disk full") }
