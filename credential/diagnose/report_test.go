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
	"github.com/entrafed/entrafed/internal/test/setups"
)

// unregistered returns a report on a pod that is not in the registered namespace.
func unregistered(t *testing.T) diagnose.Report {
	p := newPod(t)
	token, err := p.Cluster.Token(entratest.TokenRequest{Namespace: "staging", ServiceAccount: "orders", Pod: "orders-0"})
	require.NoError(t, err)
	p.Options.Assertion = fixed(token)
	return run(t, p)
}

func TestTextHasOneMarkForEachLink(t *testing.T) {
	text := unregistered(t).String()
	require.Regexp(t, regexp.MustCompile(`(?s)^✔  environment .*\n✔  token file .*\n✔  service account .*\n✔  OIDC issuer .*\n✘  federated credential   failure .*\n–  access token .*\n–  resource `), text)
	require.Regexp(t, `(?s)\nFix needed: federated credential\.\n    problem  no federated credential has the subject .*\n    fix      create a federated credential with issuer.*, in its namespace\n$`, text,
		"the last lines say what to do")
	require.Contains(t, text, "This report contains no secret, ")
	require.NotContains(t, text, "\x1b")
	require.NotRegexp(t, `(?m) $`, text)
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > 120 {
			require.NotContains(t, strings.TrimSpace(line[30:]), " ", "only a single long word may exceed the width: "+line)
		}
	}
}

// A link that works takes one line. If all do, only the verdict follows.
func TestBriefTextHasDetailsOnlyOfFaults(t *testing.T) {
	var text strings.Builder
	require.NoError(t, unregistered(t).WriteBrief(&text, false))
	require.NotContains(t, text.String(), "AZURE_CLIENT_ID")
	require.Contains(t, text.String(), "required issuer")

	text.Reset()
	require.NoError(t, run(t, newPod(t)).WriteBrief(&text, false))
	links, rest, _ := strings.Cut(text.String(), "\n\n")
	require.Equal(t, 7, strings.Count(links, "✔"))
	require.NotRegexp(t, `(?m)^    \w`, links)
	require.Regexp(t, `\n\nThe workload can sign in\.\n$`, rest)
}

func TestColourOnlyAddsANSICodes(t *testing.T) {
	r := unregistered(t)
	var colored strings.Builder
	require.NoError(t, r.WriteText(&colored, true))
	require.Contains(t, colored.String(), "\x1b[31m✘\x1b[0m  federated credential")
	require.Equal(t, r.String(), regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(colored.String(), ""))
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

// The page is attached to tickets, so it must not load anything or run anything that it shows.
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
	require.Contains(t, page, "This report contains no secret")
}

// A token's claims may be as long as its issuer likes.
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

// The summary says that a link works, so a link that Entra ID objects to must not have one.
func TestFailureHasNoSummary(t *testing.T) {
	p := newPod(t)
	setup, _ := setups.Of("client-id-is-name")
	require.NoError(t, setup.Break(p))
	setenv(t, p)
	r := run(t, p)
	require.Empty(t, link(t, r, diagnose.Environment).Summary, r)
}

// A token's claims go to a terminal, which must not interpret them.
func TestTextHasNoControlCharacters(t *testing.T) {
	p := newPod(t)
	foreign := &entratest.Cluster{Issuer: "https://x.example/\x1b[2J\u202e"}
	token, err := foreign.Token(entratest.TokenRequest{Namespace: "a\nb\x07"})
	require.NoError(t, err)
	p.Options.Assertion = fixed(token)
	require.NotRegexp(t, "[\x00-\x09\x0b-\x1f\u202e]", run(t, p).String())
}

func TestWriteErrorIsReturned(t *testing.T) {
	r := unregistered(t)
	require.Error(t, r.WriteText(broke{}, false))
	require.Error(t, r.WriteHTML(broke{}))
}

type broke struct{}

func (broke) Write([]byte) (int, error) { return 0, errors.New("disk full") }
