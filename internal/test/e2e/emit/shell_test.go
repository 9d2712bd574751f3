package emit_test

import (
	"encoding/json"
	"io"
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

// Whatever the values, a script parses like an ordinary one, and its quoted words are exactly the
// values.
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
					wl.Namespace, wl.ServiceAccount = "", "" // not a service account's subject
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

// skeleton returns the script with a placeholder for each quoted word, and those words' values.
func skeleton(t *testing.T, language syntax.LangVariant, script string) (text string, words []string) {
	t.Helper()
	file, err := syntax.NewParser(syntax.Variant(language)).Parse(strings.NewReader(script), "script")
	require.NoError(t, err, "%v: %s", language, script)
	syntax.Walk(file, func(node syntax.Node) bool {
		if word, ok := node.(*syntax.Word); ok && quoted(word) {
			fields, err := expand.Fields(&expand.Config{CmdSubst: printf}, word)
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

// quoted reports whether a word is a quoted value, without anything that a shell would run.
func quoted(word *syntax.Word) bool {
	quotes := false
	for _, part := range word.Parts {
		switch part := part.(type) {
		case *syntax.Lit:
		case *syntax.SglQuoted:
			quotes = quotes || !part.Dollar
		case *syntax.DblQuoted:
			substitution, ok := part.Parts[0].(*syntax.CmdSubst)
			quotes = ok && len(part.Parts) == 1 && len(escaped(substitution)) > 0
			if !quotes {
				return false
			}
		default:
			return false
		}
	}
	return quotes
}

// escaped returns the FORMAT of $(printf 'FORMAT'), which writes escapes. It returns nothing for
// any other command.
func escaped(substitution *syntax.CmdSubst) []string {
	if len(substitution.Stmts) != 1 {
		return nil
	}
	call, ok := substitution.Stmts[0].Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) != 2 || call.Args[0].Lit() != "printf" || !quoted(call.Args[1]) {
		return nil
	}
	fields, err := expand.Fields(nil, call.Args[1])
	if err != nil {
		return nil
	}
	return fields
}

// printf replaces the shell's printf, the only command that scripts may run to write a value.
func printf(w io.Writer, substitution *syntax.CmdSubst) error {
	text, _, err := expand.Format(nil, escaped(substitution)[0], []string{})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	return err
}

// The skeleton changes if a value escapes from its quotes.
func TestSkeletonShowsInjectedCode(t *testing.T) {
	want, _ := skeleton(t, syntax.LangPOSIX, `az --issuer='https://issuer.example'`)
	for _, script := range []string{`az --issuer=''; touch pwned #'`, `az --issuer="$(touch pwned)"`, `az --issuer="$(printf 'a'; touch pwned)"`, `az --issuer="$(printf "$(touch pwned)")"`, "az --issuer=`touch pwned`", `az --issuer='a' 'b'`} {
		got, _ := skeleton(t, syntax.LangPOSIX, script)
		assert.NotEqual(t, want, got)
	}
}
