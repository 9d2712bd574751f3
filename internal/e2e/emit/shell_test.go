package emit_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

var languages = []syntax.LangVariant{syntax.LangPOSIX, syntax.LangBash}

// Whatever the values are, a script's syntax is that of the ordinary one, and its quoted words are the values.
func TestScripts(t *testing.T) {
	for _, language := range languages {
		for _, form := range []string{"az", "azwi"} {
			want, _ := skeleton(t, language, write(t, form, emittest.Ordinary))
			for _, wl := range workloads() {
				if form == "azwi" && (wl.Audience != emittest.Audience || wl.Namespace == "") {
					continue
				}
				wl := wl
				if wl.Namespace == wl.Subject {
					wl.Namespace, wl.ServiceAccount = "", "" // no subject of a service account
				}
				got, words := skeleton(t, language, write(t, form, wl))
				require.Equal(t, want, got)
				assertWords(t, form, wl, words)
			}
		}
	}
}

func assertWords(t *testing.T, form string, wl emit.Workload, words []string) {
	t.Helper()
	assert.Contains(t, words, idOf(wl))
	if form == "azwi" {
		assert.Contains(t, words, "--service-account-issuer-url="+wl.Issuer)
		assert.Contains(t, words, "--service-account-namespace="+wl.Namespace)
		assert.Contains(t, words, "--service-account-name="+wl.ServiceAccount)
		return
	}
	var body struct {
		Issuer, Subject string
		Audiences       []string
	}
	parameters, found := strings.CutPrefix(words[len(words)-1], "--parameters=")
	require.True(t, found)
	require.NoError(t, json.Unmarshal([]byte(parameters), &body))
	assert.Equal(t, []string{wl.Issuer, wl.Subject, wl.Audience}, append([]string{body.Issuer, body.Subject}, body.Audiences...))
}

// skeleton returns a script with a placeholder for each word that is all literal and has quotes in it, and those words' values.
func skeleton(t *testing.T, language syntax.LangVariant, script string) (text string, words []string) {
	t.Helper()
	file, err := syntax.NewParser(syntax.Variant(language)).Parse(strings.NewReader(script), "script")
	require.NoError(t, err, "%v: %s", language, script)
	syntax.Walk(file, func(node syntax.Node) bool {
		if word, ok := node.(*syntax.Word); ok && quoted(word) {
			fields, err := expand.Fields(nil, word)
			require.NoError(t, err)
			require.Len(t, fields, 1)
			words = append(words, fields[0])
			word.Parts = []syntax.WordPart{&syntax.Lit{ValuePos: word.Pos(), ValueEnd: word.End(), Value: "VALUE"}}
		}
		return true
	})
	var printed strings.Builder
	require.NoError(t, syntax.NewPrinter(syntax.Minify(true)).Print(&printed, file))
	return printed.String(), words
}

func quoted(word *syntax.Word) bool {
	quotes := false
	for _, part := range word.Parts {
		switch part := part.(type) {
		case *syntax.Lit:
		case *syntax.SglQuoted:
			quotes = quotes || !part.Dollar
		default:
			return false
		}
	}
	return quotes
}

// The skeleton is another one where a value has got out of its quotes.
func TestSkeletonSeesCode(t *testing.T) {
	want, _ := skeleton(t, syntax.LangPOSIX, `az --issuer='https://issuer.example'`)
	for _, script := range []string{`az --issuer=''; touch pwned #'`, `az --issuer="$(touch pwned)"`, "az --issuer=`touch pwned`", `az --issuer='a' 'b'`} {
		got, _ := skeleton(t, syntax.LangPOSIX, script)
		assert.NotEqual(t, want, got)
	}
}
