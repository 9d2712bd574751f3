package kubernetes_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSignIn(t *testing.T) {
	w := newWorkload(t)
	m := w.mount(t, tokenVolume)
	e := newEntra(t, w)
	c := e.credential(t, m.path())

	token, err := getToken(t, c)
	require.NoError(t, err)
	assert.NotEmpty(t, token.Token)

	content, err := os.ReadFile(m.path())
	require.NoError(t, err)
	assert.Equal(t, []string{string(content)}, e.assertions(t), "one request, with the file's token")

	cached, err := getToken(t, c)
	require.NoError(t, err)
	assert.Equal(t, token, cached)
	assert.Len(t, e.Requests(), 1)
}

// By default, a cluster does not show its discovery documents to anonymous clients, such as Entra
// ID.
func TestIssuerNotPublic(t *testing.T) {
	w := newWorkload(t)
	m := w.mount(t, tokenVolume)
	e := newEntra(t, w)

	require.NoError(t, cluster.hideIssuer(t.Context()))
	requireRefused(t, e.credential(t, m.path()), 90061)

	require.NoError(t, cluster.publishIssuer(t.Context()))
	signIn(t, e.credential(t, m.path()))
}
