package kubernetes_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/webhook"
)

// emitted returns what -emit kubernetes prints for the workload: the manifest, the field manager in
// its comment, and the patch for a pod template.
func emitted(t *testing.T, w *workload) (manifest, manager, patch string) {
	t.Helper()
	var text strings.Builder
	require.NoError(t, emit.Write(&text, "kubernetes", emit.Workload{
		ClientID: clientID, Subject: w.subject(), Namespace: w.account.Namespace, ServiceAccount: w.account.Name,
	}))
	command := regexp.MustCompile(`kubectl apply --server-side --field-manager (\S+) --filename FILE`).FindStringSubmatch(text.String())
	require.NotNil(t, command)
	for line := range strings.Lines(text.String()) {
		if rest, found := strings.CutPrefix(line, "# "); found {
			patch += rest
		}
	}
	return text.String(), command[1], patch
}

// Applying the output of -emit kubernetes removes nothing from a service account or a Deployment.
func TestEmittedManifestKeepsEverythingElse(t *testing.T) {
	w := newWorkload(t)
	accounts, deployments := cluster.admin.CoreV1().ServiceAccounts(w.account.Namespace), cluster.admin.AppsV1().Deployments(w.account.Namespace)
	manifest, manager, patch := emitted(t, w)
	apply := func() error {
		_, err := accounts.Patch(t.Context(), w.account.Name, types.ApplyYAMLPatchType, []byte(manifest), metav1.PatchOptions{FieldManager: manager})
		return err
	}

	before := w.account.DeepCopy()
	before.Labels = map[string]string{"team": "shop"}
	before.Annotations = map[string]string{
		"note": "ours",
		"kubectl.kubernetes.io/last-applied-configuration": `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"annotations":{"note":"ours"},"name":"orders"}}`,
	}
	before.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
	before.AutomountServiceAccountToken = new(false)
	before, err := accounts.Update(t.Context(), before, metav1.UpdateOptions{FieldManager: "kubectl-client-side-apply"})
	require.NoError(t, err)
	require.NoError(t, apply())
	after, err := accounts.Get(t.Context(), w.account.Name, metav1.GetOptions{})
	require.NoError(t, err)
	before.Annotations[webhook.AnnotationClientID] = clientID
	require.Equal(t, before.Annotations, after.Annotations)
	require.Equal(t, before.Labels, after.Labels)
	require.Equal(t, before.ImagePullSecrets, after.ImagePullSecrets)
	require.Equal(t, before.AutomountServiceAccountToken, after.AutomountServiceAccountToken)

	after.Annotations[webhook.AnnotationClientID] = "somebody else's"
	_, err = accounts.Update(t.Context(), after, metav1.UpdateOptions{FieldManager: "somebody"})
	require.NoError(t, err)
	require.True(t, apierrors.IsConflict(apply()), "the user must resolve the conflict")

	labels := map[string]string{"app": "orders"}
	deployment, err := deployments.Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "orders"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: w.pod.Spec},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	asJSON, err := yaml.ToJSON([]byte(patch))
	require.NoError(t, err)
	require.True(t, json.Valid(asJSON))
	patched, err := deployments.Patch(t.Context(), "orders", types.StrategicMergePatchType, asJSON, metav1.PatchOptions{FieldValidation: metav1.FieldValidationStrict})
	require.NoError(t, err)
	want := deployment.Spec.Template
	want.Labels[webhook.LabelUse] = "true"
	require.Equal(t, want, patched.Spec.Template, "the Deployment already has the service account")
}
