package kubernetes_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kubernetes refuses a token once its pod is deleted. Entra ID sees only the token and the issuer's
// keys, and neither has changed. Anyone who has a deleted pod's token can sign in with it until it
// expires. Only a short expirationSeconds limits that.
func TestDeletedPodStillSignsIn(t *testing.T) {
	w := newWorkload(t)
	m := w.mount(t, tokenVolume)
	e := newEntra(t, w)
	c := e.credential(t, m.path())
	signIn(t, c)
	token := e.assertions(t)[0]
	// Review another token of the pod, because kube-apiserver remembers accepted tokens for ten
	// seconds.
	require.True(t, review(t, m.request(t).Status.Token).Authenticated)

	w.delete(t)
	// kube-apiserver learns about the deletion from a watch. Reviewed too early, this token would
	// be remembered too.
	require.Eventually(t, func() bool { return !review(t, token).Authenticated }, 30*time.Second, 100*time.Millisecond)
	assert.Contains(t, review(t, token).Error, "invalidated")

	signIn(t, c)
	assert.Equal(t, []string{token, token}, e.assertions(t))
}

// review returns kube-apiserver's verdict on a token that was issued for Entra ID.
func review(t *testing.T, token string) authenticationv1.TokenReviewStatus {
	t.Helper()
	answer, err := cluster.admin.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{exchangeAudience}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return answer.Status
}
