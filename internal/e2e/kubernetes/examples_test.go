package kubernetes_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// The manifests of examples/kubernetes are what kube-apiserver takes, to the last field, and its admission lets their pods
// into a namespace that is restricted.
func TestExamplesWithWebhook(t *testing.T) {
	m := readManifest(t, "workload.yaml")
	assert.Contains(t, m.account.Annotations, "azure.workload.identity/client-id")
	assert.Equal(t, "true", m.deployment.Spec.Template.Labels["azure.workload.identity/use"], "on the pod template")
	m.apply(t)
}

func TestExamplesWithoutWebhook(t *testing.T) {
	m := readManifest(t, "without-webhook.yaml")
	spec := m.deployment.Spec.Template.Spec
	require.Len(t, spec.Volumes, 1)
	require.NotNil(t, spec.Volumes[0].Projected)
	require.Len(t, spec.Volumes[0].Projected.Sources, 1)
	token := spec.Volumes[0].Projected.Sources[0].ServiceAccountToken
	require.NotNil(t, token)
	assert.Equal(t, exchangeAudience, token.Audience)
	assert.Equal(t, new(int64(3600)), token.ExpirationSeconds)

	container := spec.Containers[0]
	require.Len(t, container.VolumeMounts, 1)
	mount := container.VolumeMounts[0]
	assert.Equal(t, spec.Volumes[0].Name, mount.Name)
	assert.Empty(t, mount.SubPath, "the kubelet renews no subPath mount")
	environment := variables(container.Env)
	assert.Equal(t, path.Join(mount.MountPath, token.Path), environment["AZURE_FEDERATED_TOKEN_FILE"])
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"} {
		assert.NotEmpty(t, environment[name], name)
	}
	m.apply(t)
}

// variables are a container's, by name.
func variables(env []corev1.EnvVar) map[string]string {
	values := map[string]string{}
	for _, v := range env {
		values[v.Name] = v.Value
	}
	return values
}

// A field that kube-apiserver does not know fails the tests above.
func TestExamplesUnknownField(t *testing.T) {
	m := readManifest(t, "workload.yaml")
	m.apply(t)
	for _, document := range m.documents {
		if _, ok := document.object.(*appsv1.Deployment); !ok {
			continue
		}
		document.text = bytes.Replace(document.text, []byte("serviceAccountName:"), []byte("serviceAcountName:"), 1)
		require.ErrorContains(t, document.patch(t, metav1.DryRunAll), "serviceAcountName")
		return
	}
	require.Fail(t, "no Deployment")
}

// manifest is a file of examples/kubernetes.
type manifest struct {
	documents  []document
	namespace  *corev1.Namespace
	account    *corev1.ServiceAccount
	deployment *appsv1.Deployment
}

type document struct {
	text   []byte
	object runtime.Object
	path   string // of the object in the API
}

// readManifest decodes strictly: a field that its type does not have, or has twice, fails.
func readManifest(t *testing.T, name string) *manifest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "kubernetes", name))
	require.NoError(t, err)
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	m := &manifest{}
	for {
		d := document{}
		d.text, err = reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		d.object, _, err = decoder.Decode(d.text, nil, nil)
		require.NoError(t, err)
		switch object := d.object.(type) {
		case *corev1.Namespace:
			m.namespace, d.path = object, "/api/v1/namespaces/"+object.Name
		case *corev1.ServiceAccount:
			m.account, d.path = object, "/api/v1/namespaces/"+object.Namespace+"/serviceaccounts/"+object.Name
		case *appsv1.Deployment:
			m.deployment, d.path = object, "/apis/apps/v1/namespaces/"+object.Namespace+"/deployments/"+object.Name
		default:
			require.Failf(t, "unexpected object", "%T", object)
		}
		m.documents = append(m.documents, d)
	}
	require.NotNil(t, m.namespace)
	require.NotNil(t, m.account)
	require.NotNil(t, m.deployment)
	assert.Equal(t, m.namespace.Name, m.account.Namespace)
	assert.Equal(t, m.namespace.Name, m.deployment.Namespace)
	assert.Equal(t, m.account.Name, m.deployment.Spec.Template.Spec.ServiceAccountName)
	return m
}

// apply does what kubectl apply --server-side does. What makes pods is a dry run, and so is one pod of it; what these need
// before them, the namespace and the service account, is for real.
func (m *manifest) apply(t *testing.T) {
	t.Helper()
	for _, d := range m.documents {
		require.NoError(t, d.patch(t, metav1.DryRunAll), d.path)
		if d.object != m.deployment {
			require.NoError(t, d.patch(t, ""), d.path)
		}
	}
	pod := &corev1.Pod{ObjectMeta: m.deployment.Spec.Template.ObjectMeta, Spec: m.deployment.Spec.Template.Spec}
	pod.GenerateName = m.deployment.Name + "-"
	pods := cluster.admin.CoreV1().Pods(m.namespace.Name)
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	_, err := pods.Create(t.Context(), pod, options)
	require.NoError(t, err)

	windows := pod.DeepCopy() // as README.md changes it for Windows nodes
	windows.Spec.OS = &corev1.PodOS{Name: corev1.Windows}
	windows.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true)}
	windows.Spec.Containers[0].SecurityContext = nil
	_, err = pods.Create(t.Context(), windows, options)
	require.NoError(t, err)

	pod.Spec.SecurityContext = nil // the namespace's label counts
	_, err = pods.Create(t.Context(), pod, options)
	require.Truef(t, apierrors.IsForbidden(err), "%v", err)
}

// patch sends the document as it is in the file; dryRun is empty or metav1.DryRunAll.
func (d *document) patch(t *testing.T, dryRun string) error {
	t.Helper()
	request := cluster.admin.CoreV1().RESTClient().Patch(types.ApplyYAMLPatchType).AbsPath(d.path).
		Param("fieldManager", "examples").Param("fieldValidation", metav1.FieldValidationStrict)
	if dryRun != "" {
		request.Param("dryRun", dryRun)
	}
	return request.Body(d.text).Do(t.Context()).Error()
}
