package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/test/links"
)

func TestPrintsEachTokenChain(t *testing.T) {
	links.Need(t)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	text := out.String()

	posts := map[string]int{}
	for _, part := range strings.Split(text, "\n\n")[1:] {
		title, rest, _ := strings.Cut(part, "\n")
		posts[title] = strings.Count(rest, "POST")
	}
	assert.Equal(t, map[string]int{
		"The orders agent as itself":                     2,
		"Again, from the cache":                          0,
		"The returns agent as itself":                    2,
		"The returns agent on behalf of mia@contoso.com": 1, // the blueprint's token for the agent is cached
		"The orders agent's user account":                2, // the first two of three tokens are cached
	}, posts)
	assert.Contains(t, text, "    upn                                 mia@contoso.com\n")
	assert.Contains(t, text, "    grant_type                          user_fic\n")
	assert.NotContains(t, text, "eyJhbGciOi", "no token")
}
