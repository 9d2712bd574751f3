package kubernetes_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/tokenfile"
)

func TestParseAgreesWithTheIssuer(t *testing.T) {
	w := newWorkload(t)
	for name, lifetime := range map[string]time.Duration{"shortest": 10 * time.Minute, "default": time.Hour, "one day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := w.mount(t, tokenVolume)
			m.source = m.source.DeepCopy()
			m.source.ExpirationSeconds = new(int64(lifetime.Seconds()))
			issued := m.refresh(t)

			raw, err := tokenfile.New(m.path()).Assertion(t.Context())
			require.NoError(t, err)
			require.Equal(t, issued.Status.Token, raw)
			token, err := tokenfile.Parse(raw)
			require.NoError(t, err)

			// kube-apiserver rounds the status's time down, and takes it before it makes the token.
			// One or two seconds may begin in between.
			expiry := issued.Status.ExpirationTimestamp.UTC()
			assert.False(t, token.Expiry.Before(expiry), "%v, %v", token.Expiry, expiry)
			assert.WithinDuration(t, expiry, token.Expiry, 2*time.Second)
			assert.Equal(t, lifetime, token.Expiry.Sub(token.IssuedAt))
			assert.Equal(t, token.IssuedAt, token.NotBefore)

			assert.Equal(t, cluster.issuer(), token.Issuer)
			assert.Equal(t, w.subject(), token.Subject)
			assert.Equal(t, issued.Spec.Audiences, token.Audience)
			assert.Equal(t, "RS256", token.Algorithm)
			assert.NotEmpty(t, token.KeyID)
			assert.NotEmpty(t, token.ID)
			assert.Equal(t, tokenfile.Kubernetes{
				Namespace:      w.pod.Namespace,
				ServiceAccount: tokenfile.Object{Name: w.account.Name, UID: string(w.account.UID)},
				Pod:            tokenfile.Object{Name: issued.Spec.BoundObjectRef.Name, UID: string(w.pod.UID)},
				Node:           tokenfile.Object{Name: w.node.Name, UID: string(w.node.UID)},
			}, token.Kubernetes)
		})
	}
}
