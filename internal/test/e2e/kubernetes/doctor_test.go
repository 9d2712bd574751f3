package kubernetes_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/entrafed/entrafed/internal/webhook"
)

// README.md passes a container to kubectl debug --custom. kube-apiserver must add it to a running
// pod as an ephemeral container that finds the token at the path in its environment, whatever the
// volume's name.
func TestExamplesDoctorIsAnEphemeralContainer(t *testing.T) {
	for _, layout := range webhook.Layouts() {
		t.Run(layout.Version, func(t *testing.T) {
			w := newWorkloadAs(t, layout)
			container := doctor(t, w.pod)
			environment := variables(container.Env)
			require.Len(t, environment, 4, "the webhook's variables")
			require.Equal(t, layout.TokenFile(), environment[webhook.EnvTokenFile])
			require.Equal(t, w.pod.Spec.Containers[0].VolumeMounts, container.VolumeMounts)

			container.Name, container.Image = "doctor", "registry.example/doctor" // kubectl adds these
			w.pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: container, TargetContainerName: w.pod.Spec.Containers[0].Name}}
			changed, err := cluster.admin.CoreV1().Pods(w.pod.Namespace).UpdateEphemeralContainers(t.Context(), w.pod.Name, w.pod, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
			require.NoError(t, err)
			require.Equal(t, container.Env, changed.Spec.EphemeralContainers[0].Env)
			require.Equal(t, container.VolumeMounts, changed.Spec.EphemeralContainers[0].VolumeMounts)
		})
	}
}

// doctor runs README.md's jq program on a pod.
func doctor(t *testing.T, pod *corev1.Pod) (container corev1.EphemeralContainerCommon) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "examples", "kubernetes", "README.md"))
	require.NoError(t, err)
	program := regexp.MustCompile(`(?s)\| jq '(.*?)' > doctor\.json`).FindSubmatch(text)
	require.NotNil(t, program)
	jq, err := exec.LookPath("jq")
	if err != nil && os.Getenv("ENTRAFED_E2E_REQUIRED") == "" {
		t.Skip("jq is not installed")
	}
	require.NoError(t, err)
	object, err := json.Marshal(pod)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), jq, string(program[1]))
	command.Stdin = strings.NewReader(string(object))
	custom, err := command.Output()
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(custom, &container))
	return container
}
