package emit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/entrafed/entrafed/internal/emit/emittest"
)

// patchOf follows the manifest's comment: it takes the lines with one number sign, and removes the
// sign.
func patchOf(manifest string) string {
	var patch strings.Builder
	for line := range strings.Lines(manifest) {
		if rest, found := strings.CutPrefix(line, "# "); found {
			patch.WriteString(rest)
		}
	}
	return patch.String()
}

func TestKubernetes(t *testing.T) {
	for _, wl := range workloads() {
		if wl.Namespace == "" {
			continue
		}
		text := write(t, "kubernetes", wl)
		var account corev1.ServiceAccount
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), &account), text)
		want := corev1.ServiceAccount{}
		want.APIVersion, want.Kind, want.Namespace, want.Name = "v1", "ServiceAccount", wl.Namespace, wl.ServiceAccount
		want.Annotations = map[string]string{"azure.workload.identity/client-id": idOf(wl)}
		if wl.TenantID != "" {
			want.Annotations["azure.workload.identity/tenant-id"] = wl.TenantID
		}
		assert.Equal(t, want, account)

		var patch, wantPatch appsv1.Deployment
		require.NoError(t, yaml.UnmarshalStrict([]byte(patchOf(text)), &patch), text)
		wantPatch.Spec.Template.Labels = map[string]string{"azure.workload.identity/use": "true"}
		wantPatch.Spec.Template.Spec.ServiceAccountName = wl.ServiceAccount
		assert.Equal(t, wantPatch, patch)
	}
}

// Without a server, kubectl must read the whole file and accept the patch for a Deployment that has
// neither the label nor a service account.
func TestKubectl(t *testing.T) {
	text := write(t, "kubernetes", emittest.Ordinary)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	read := optional(t, "kubectl", "annotate", "--local", "--output=yaml", "--filename", file("account.yaml", text), "read=true")
	output, err := read.Output()
	require.NoError(t, err, "%s", output)
	var account corev1.ServiceAccount
	require.NoError(t, yaml.UnmarshalStrict(output, &account))
	assert.Equal(t, emittest.Ordinary.Namespace+"/"+emittest.Ordinary.ServiceAccount, account.Namespace+"/"+account.Name)
	assert.Equal(t, emittest.ClientID, account.Annotations["azure.workload.identity/client-id"])

	deployment := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"orders"},"spec":{"selector":{"matchLabels":{"app":"orders"}},` +
		`"template":{"metadata":{"labels":{"app":"orders"}},"spec":{"containers":[{"name":"orders","image":"orders"}]}}}}`
	patch := optional(t, "kubectl", "patch", "--local", "--output=yaml", "--filename", file("deployment.json", deployment),
		"--patch-file", file("patch.yaml", patchOf(text)))
	output, err = patch.Output()
	require.NoError(t, err, "%s", output)
	var patched appsv1.Deployment
	require.NoError(t, yaml.UnmarshalStrict(output, &patched))
	assert.Equal(t, map[string]string{"app": "orders", "azure.workload.identity/use": "true"}, patched.Spec.Template.Labels)
	assert.Equal(t, "orders", patched.Spec.Template.Spec.ServiceAccountName)
	assert.Len(t, patched.Spec.Template.Spec.Containers, 1)
}
