package emit_test

import (
	"strings"
	"testing"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/stretchr/testify/require"
)

// lexBicep returns a file's tokens without comments and white space, but with line ends.
func lexBicep(t testing.TB, text string) []chroma.Token {
	t.Helper()
	lexer := lexers.Get("bicep")
	require.NotNil(t, lexer)
	tokens, err := chroma.Tokenise(lexer, nil, text)
	require.NoError(t, err)
	var kept []chroma.Token
	for _, token := range tokens {
		switch {
		case token.Type == chroma.TextWhitespace && strings.Contains(token.Value, "\n"):
			kept = append(kept, chroma.Token{Type: chroma.TextWhitespace, Value: "\n"})
		case token.Type == chroma.TextWhitespace, token.Type.InCategory(chroma.Comment):
		default:
			kept = append(kept, token)
		}
	}
	return kept
}
