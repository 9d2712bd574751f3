package kubernetes_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Every pod also has a token for the Kubernetes API, at
// /var/run/secrets/kubernetes.io/serviceaccount/token.
func TestDefaultAudienceIsRefused(t *testing.T) {
	w := newWorkload(t)
	m := w.mount(t, apiAccessVolume)
	e := newEntra(t, w)

	c := newCredential(t, e.options(m.path())) // like a user's, with retries
	text := requireRefused(t, c, 700212)
	assert.Len(t, e.assertions(t), 1, "a wrong audience is not retried")
	assert.Contains(t, text, `audience "`+cluster.issuer()+`"`)
	assert.Contains(t, text, exchangeAudience, "the error names the fix")

	// For clients that do not read the file again, kube-apiserver makes this token last a year. It
	// reports an hour to the kubelet.
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
