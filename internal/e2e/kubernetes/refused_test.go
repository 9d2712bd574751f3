package kubernetes_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Every pod has another token, for Kubernetes' own API; it is mounted at /var/run/secrets/kubernetes.io/serviceaccount/token.
func TestDefaultAudienceIsRefused(t *testing.T) {
	w := newWorkload(t)
	m := w.mount(t, apiAccessVolume)
	e := newEntra(t, w)

	c := newCredential(t, e.options(m.path())) // as users have it, with retries of what may pass by itself
	start := time.Now()
	text := requireRefused(t, c, 700212)
	assert.Less(t, time.Since(start), 5*time.Second)
	assert.Len(t, e.assertions(t), 1, "an audience does not change by itself")
	assert.Contains(t, text, `audience "`+cluster.issuer()+`"`)
	assert.Contains(t, text, exchangeAudience, "the fix")

	// For clients that do not read the file anew, kube-apiserver makes this token last a year, but tells the kubelet an hour.
	issued := m.refresh(t)
	assert.Less(t, time.Until(issued.Status.ExpirationTimestamp.Time), 2*time.Hour)
	assert.Greater(t, time.Until(inspect(t, m).Expiry), 300*24*time.Hour)
}

func TestAnotherServiceAccountIsRefused(t *testing.T) {
	trusted, stranger := newWorkload(t), newWorkload(t)
	e := newEntra(t, trusted)

	text := requireRefused(t, e.credential(t, stranger.mount(t, tokenVolume).path()), 700213)
	assert.Contains(t, text, `subject "`+stranger.subject()+`"`)
	assert.Contains(t, text, `issuer "`+cluster.issuer()+`"`)

	signIn(t, e.credential(t, trusted.mount(t, tokenVolume).path()))
}
