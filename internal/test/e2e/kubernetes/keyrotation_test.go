package kubernetes_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/tokenfile"
)

// A signing key is replaced in two steps. First the new key signs while the old one is still
// published. Then the old key is removed. kube-apiserver reads its keys when it starts.
func TestSigningKeyRotation(t *testing.T) {
	w := newWorkload(t)
	e := newEntra(t, w)
	before, after := w.mount(t, tokenVolume), w.mount(t, tokenVolume)
	signIn(t, e.credential(t, before.path()))
	slow := newEntra(t, w) // has cached the keys
	keys := keepKeys(t, slow)

	newKey, err := newSigningKey(cluster.dir) // later tests need its file
	require.NoError(t, err)
	oldKey := cluster.keys[0]
	require.NoError(t, cluster.restart(newKey, oldKey))
	after.refresh(t)
	assert.NotEqual(t, inspect(t, before).KeyID, inspect(t, after).KeyID)

	t.Run("both keys are published", func(t *testing.T) {
		signIn(t, e.credential(t, before.path()))
		signIn(t, e.credential(t, after.path()))
	})

	t.Run("Entra ID has not fetched the new key yet", func(t *testing.T) {
		requireRefused(t, slow.credential(t, after.path()), 7000272)
		keys.left.Store(1)
		signIn(t, newCredential(t, slow.options(after.path()))) // the retries cover the delay
		assert.Len(t, slow.Requests(), 3)
	})

	require.NoError(t, cluster.restart(newKey))

	t.Run("the old key is gone", func(t *testing.T) {
		requireRefused(t, e.credential(t, before.path()), 7000272)
		signIn(t, e.credential(t, after.path()))
	})

	t.Run("the kubelet has a new token from the new key", func(t *testing.T) {
		before.refresh(t)
		signIn(t, e.credential(t, before.path()))
	})
}

// Kubernetes signs with any key that it is configured with. Entra ID accepts only RS256.
func TestEllipticSigningKeyIsRefused(t *testing.T) {
	w := newWorkload(t)
	m := w.mount(t, tokenVolume)
	e := newEntra(t, w)

	ellipticKey, err := newEllipticKey(cluster.dir)
	require.NoError(t, err)
	rsaKey := cluster.keys[0]
	require.NoError(t, cluster.restart(ellipticKey, rsaKey))
	t.Cleanup(func() { require.NoError(t, cluster.restart(rsaKey)) })

	signIn(t, e.credential(t, m.path())) // the old token still verifies against both keys
	m.refresh(t)
	assert.Equal(t, "ES256", inspect(t, m).Algorithm)
	requireRefused(t, e.credential(t, m.path()), 5002738)
}

// inspect parses the token in a volume.
func inspect(t *testing.T, m *mount) tokenfile.Token {
	t.Helper()
	raw, err := tokenfile.New(m.path()).Assertion(t.Context())
	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	return token
}

// keptKeys serves a number of requests for the issuer's keys from memory.
type keptKeys struct {
	http.RoundTripper
	body string
	left atomic.Int64
}

// keepKeys makes the fake Entra ID use the current keys for its next assertion too, as Entra ID
// caches keys for some time.
func keepKeys(t *testing.T, e *entra) *keptKeys {
	t.Helper()
	reply, err := e.HTTPClient.Get(cluster.issuer() + "/openid/v1/jwks")
	require.NoError(t, err)
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	k := &keptKeys{RoundTripper: e.HTTPClient.Transport, body: string(body)}
	k.left.Store(1)
	e.HTTPClient.Transport = k
	return k
}

func (k *keptKeys) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/jwks") || k.left.Add(-1) < 0 {
		return k.RoundTripper.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(k.body)), Request: r}, nil
}
