package kubernetes_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// mount is a projected volume of a running pod. It does what the kubelet does (pkg/kubelet/token
// and pkg/volume/projected of Kubernetes): it requests the pod's token and writes it.
type mount struct {
	workload *workload
	source   *corev1.ServiceAccountTokenProjection
	dir      string
	writer   *volumeutil.AtomicWriter
}

// mount mounts a volume of the pod that contains a token.
func (w *workload) mount(t *testing.T, volume string) *mount {
	t.Helper()
	m := &mount{workload: w, source: w.projection(t, volume), dir: t.TempDir()}
	var err error
	m.writer, err = volumeutil.NewAtomicWriter(m.dir, "pod "+w.pod.Name)
	require.NoError(t, err)
	m.refresh(t)
	return m
}

// path returns the value of AZURE_FEDERATED_TOKEN_FILE.
func (m *mount) path() string { return filepath.Join(m.dir, m.source.Path) }

// refresh replaces the token and returns the new one.
func (m *mount) refresh(t *testing.T) *authenticationv1.TokenRequest {
	t.Helper()
	issued := m.request(t)
	m.write(t, issued.Status.Token)
	return issued
}

// request requests a token from kube-apiserver.
func (m *mount) request(t *testing.T) *authenticationv1.TokenRequest {
	t.Helper()
	var audiences []string
	if m.source.Audience != "" {
		audiences = []string{m.source.Audience}
	}
	pod := m.workload.pod
	issued, err := cluster.admin.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(t.Context(), pod.Spec.ServiceAccountName, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences:         audiences,
			ExpirationSeconds: m.source.ExpirationSeconds,
			BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return issued
}

// write writes a token to the volume with one rename.
func (m *mount) write(t *testing.T, token string) {
	t.Helper()
	require.NoError(t, m.writer.Write(map[string]volumeutil.FileProjection{m.source.Path: {Data: []byte(token), Mode: 0o644}}, nil))
}
