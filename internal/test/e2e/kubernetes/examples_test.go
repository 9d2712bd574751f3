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
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/entrafed/entrafed/internal/webhook"
)

// kube-apiserver accepts every field of the manifests in examples/kubernetes, and its admission
// lets their pods into a restricted namespace.
func TestExamplesWithWebhook(t *testing.T) {
	m := readManifest(t, "workload.yaml")
	assert.Contains(t, m.account.Annotations, webhook.AnnotationClientID)
	assert.Equal(t, "true", m.deployment.Spec.Template.Labels[webhook.LabelUse], "on the pod template")
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
	assert.Equal(t, new(int64(webhook.ExpirationSeconds)), token.ExpirationSeconds)
	assert.Equal(t, webhook.V160.TokenPath, token.Path)

	container := spec.Containers[0]
	require.Len(t, container.VolumeMounts, 1)
	mount := container.VolumeMounts[0]
	assert.Equal(t, spec.Volumes[0].Name, mount.Name)
	assert.Equal(t, webhook.V160.MountPath, mount.MountPath)
	assert.Empty(t, mount.SubPath, "the kubelet does not update subPath mounts")
	environment := variables(container.Env)
	assert.Equal(t, path.Join(mount.MountPath, token.Path), environment["AZURE_FEDERATED_TOKEN_FILE"])
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"} {
		assert.NotEmpty(t, environment[name], name)
	}
	m.apply(t)
}

// variables returns a container's variables by name.
func variables(env []corev1.EnvVar) map[string]string {
	values := map[string]string{}
	for _, v := range env {
		values[v.Name] = v.Value
	}
	return values
}

// The tests above fail if a manifest has a field that kube-apiserver does not know.
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

// manifest is a file from examples/kubernetes.
type manifest struct {
	documents  []document
	namespace  *corev1.Namespace
	account    *corev1.ServiceAccount
	deployment *appsv1.Deployment
}

type document struct {
	text   []byte
	object runtime.Object
	path   string // path of the object in the API
}

func readManifest(t *testing.T, name string) *manifest {
	t.Helper()
	m := &manifest{documents: readDocuments(t, filepath.Join("kubernetes", name))}
	for _, d := range m.documents {
		switch object := d.object.(type) {
		case *corev1.Namespace:
			m.namespace = object
		case *corev1.ServiceAccount:
			m.account = object
		case *appsv1.Deployment:
			m.deployment = object
		}
	}
	require.NotNil(t, m.namespace)
	require.NotNil(t, m.account)
	require.NotNil(t, m.deployment)
	assert.Equal(t, m.namespace.Name, m.account.Namespace)
	assert.Equal(t, m.namespace.Name, m.deployment.Namespace)
	assert.Equal(t, m.account.Name, m.deployment.Spec.Template.Spec.ServiceAccountName)
	return m
}

// readDocuments reads a file below examples. It decodes strictly: a field that is unknown or
// duplicated fails.
func readDocuments(t *testing.T, file string) (documents []document) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "examples", file))
	require.NoError(t, err)
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		d := document{}
		d.text, err = reader.Read()
		if errors.Is(err, io.EOF) {
			return documents
		}
		require.NoError(t, err)
		d.object, _, err = decoder.Decode(d.text, nil, nil)
		require.NoError(t, err)
		switch object := d.object.(type) {
		case *corev1.Namespace:
			d.path = "/api/v1/namespaces/" + object.Name
		case *corev1.ServiceAccount:
			d.path = "/api/v1/namespaces/" + object.Namespace + "/serviceaccounts/" + object.Name
		case *appsv1.Deployment:
			d.path = "/apis/apps/v1/namespaces/" + object.Namespace + "/deployments/" + object.Name
		case *rbacv1.ClusterRole:
			d.path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/" + object.Name
		case *rbacv1.ClusterRoleBinding:
			d.path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/" + object.Name
		case *rbacv1.RoleBinding:
			d.path = "/apis/rbac.authorization.k8s.io/v1/namespaces/" + object.Namespace + "/rolebindings/" + object.Name
		default:
			require.Failf(t, "unexpected object", "%T", object)
		}
		documents = append(documents, d)
	}
}

// apply acts like kubectl apply --server-side. The namespace and the service account are created.
// The Deployment and one of its pods are a dry run.
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

	pod.Spec.SecurityContext = nil // now the namespace's label must reject it
	_, err = pods.Create(t.Context(), pod, options)
	require.Truef(t, apierrors.IsForbidden(err), "%v", err)
}

// patch applies the document as it is in the file. dryRun is empty or metav1.DryRunAll.
func (d *document) patch(t *testing.T, dryRun string) error {
	t.Helper()
	request := cluster.admin.CoreV1().RESTClient().Patch(types.ApplyYAMLPatchType).AbsPath(d.path).
		Param("fieldManager", "examples").Param("fieldValidation", metav1.FieldValidationStrict)
	if dryRun != "" {
		request.Param("dryRun", dryRun)
	}
	return request.Body(d.text).Do(t.Context()).Error()
}
