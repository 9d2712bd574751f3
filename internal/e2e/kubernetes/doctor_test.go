package kubernetes_test

import (
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// What kubectl debug --custom is given makes an ephemeral container that kube-apiserver adds to a running pod, and that finds the
// token where its environment says.
func TestExamplesDoctorIsAnEphemeralContainer(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "kubernetes", "doctor.yaml"))
	require.NoError(t, err)
	var container corev1.EphemeralContainerCommon
	require.NoError(t, yaml.UnmarshalStrict(text, &container))
	environment := variables(container.Env)
	require.Len(t, container.VolumeMounts, 1)
	require.Equal(t, tokenVolume, container.VolumeMounts[0].Name)
	require.Equal(t, path.Join(container.VolumeMounts[0].MountPath, tokenVolume), environment["AZURE_FEDERATED_TOKEN_FILE"])

	w := newWorkload(t)
	container.Name, container.Image = "doctor", "registry.example/doctor" // kubectl's part
	w.pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: container, TargetContainerName: w.pod.Spec.Containers[0].Name}}
	changed, err := cluster.admin.CoreV1().Pods(w.pod.Namespace).UpdateEphemeralContainers(t.Context(), w.pod.Name, w.pod, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
	require.NoError(t, err)
	require.Equal(t, container.Env, changed.Spec.EphemeralContainers[0].Env)
	require.Equal(t, container.VolumeMounts, changed.Spec.EphemeralContainers[0].VolumeMounts)
}
