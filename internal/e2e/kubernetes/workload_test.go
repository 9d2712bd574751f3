package kubernetes_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	exchangeAudience = "api://AzureADTokenExchange"
	tokenVolume      = "azure-identity-token" // as the workload identity webhook names it, and the file in it
	apiAccessVolume  = "kube-api-access-"     // what kube-apiserver's admission adds to every pod; a suffix follows
)

// workload is a pod on a node, as the workload identity webhook leaves it, in a namespace of its own.
type workload struct {
	node    *corev1.Node
	account *corev1.ServiceAccount
	pod     *corev1.Pod
}

func newWorkload(t *testing.T) *workload {
	t.Helper()
	core, ctx := cluster.admin.CoreV1(), t.Context()
	namespace, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	w := &workload{}
	w.node, err = core.Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.account, err = core.ServiceAccounts(namespace.Name).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "orders"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.pod, err = core.Pods(namespace.Name).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "orders-0", Labels: map[string]string{"azure.workload.identity/use": "true"}},
		Spec: corev1.PodSpec{
			NodeName:           w.node.Name,
			ServiceAccountName: w.account.Name,
			Containers: []corev1.Container{{
				Name:         "orders",
				Image:        "registry.example/orders",
				VolumeMounts: []corev1.VolumeMount{{Name: tokenVolume, MountPath: "/var/run/secrets/azure/wi/token", ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{{
				Name: tokenVolume,
				VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
					ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: exchangeAudience, ExpirationSeconds: new(int64(3600)), Path: tokenVolume},
				}}}},
			}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return w
}

// subject is what a federated credential for the workload names.
func (w *workload) subject() string {
	return "system:serviceaccount:" + w.account.Namespace + ":" + w.account.Name
}

// delete deletes the pod for good, as a kubelet does once its containers have ended.
func (w *workload) delete(t *testing.T) {
	t.Helper()
	err := cluster.admin.CoreV1().Pods(w.pod.Namespace).Delete(t.Context(), w.pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	require.NoError(t, err)
}

// projection returns the service-account token that a volume of the pod describes.
func (w *workload) projection(t *testing.T, volume string) *corev1.ServiceAccountTokenProjection {
	t.Helper()
	for _, v := range w.pod.Spec.Volumes {
		if !strings.HasPrefix(v.Name, volume) {
			continue
		}
		for _, source := range v.Projected.Sources {
			if source.ServiceAccountToken != nil {
				return source.ServiceAccountToken
			}
		}
	}
	require.Failf(t, "no such volume", "%s in %v", volume, w.pod.Spec.Volumes)
	return nil
}
