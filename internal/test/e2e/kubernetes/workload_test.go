package kubernetes_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/entrafed/entrafed/internal/webhook"
)

const (
	exchangeAudience = webhook.Audience
	apiAccessVolume  = "kube-api-access-" // added to every pod by kube-apiserver's admission; a suffix follows
)

// tokenVolume is the name of the token's volume in the webhook's newest version. A suffix follows.
var tokenVolume = webhook.V160.Volume

// workload is a pod on a node, as the workload identity webhook leaves it, in its own namespace.
type workload struct {
	node    *corev1.Node
	account *corev1.ServiceAccount
	pod     *corev1.Pod
}

func newWorkload(t *testing.T) *workload {
	t.Helper()
	return newWorkloadAs(t, webhook.V160)
}

// newWorkloadAs is newWorkload for another version of the webhook.
func newWorkloadAs(t *testing.T, layout webhook.Layout) *workload {
	t.Helper()
	core, ctx := cluster.admin.CoreV1(), t.Context()
	namespace, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	w := &workload{}
	w.node, err = core.Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.account, err = core.ServiceAccounts(namespace.Name).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "orders"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	volume := layout.Volume
	if strings.HasSuffix(volume, "-") {
		volume += fmt.Sprintf("%x", sha256.Sum256([]byte("orders-0")))[:30]
	}
	w.pod, err = core.Pods(namespace.Name).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "orders-0", Labels: map[string]string{webhook.LabelUse: "true"}},
		Spec: corev1.PodSpec{
			NodeName:           w.node.Name,
			ServiceAccountName: w.account.Name,
			Containers: []corev1.Container{{
				Name:  "orders",
				Image: "registry.example/orders",
				Env: []corev1.EnvVar{
					{Name: "PORT", Value: "8080"}, // the program's own
					{Name: webhook.EnvClientID, Value: clientID},
					{Name: webhook.EnvTenantID, Value: tenantID},
					{Name: webhook.EnvTokenFile, Value: layout.TokenFile()},
					{Name: webhook.EnvAuthority, Value: "https://login.microsoftonline.com/"},
				},
				VolumeMounts: []corev1.VolumeMount{{Name: volume, MountPath: layout.MountPath, ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{{
				Name: volume,
				VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
					ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: exchangeAudience, ExpirationSeconds: new(int64(webhook.ExpirationSeconds)), Path: layout.TokenPath},
				}}}},
			}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return w
}

// subject returns the workload's subject in a federated credential.
func (w *workload) subject() string {
	return "system:serviceaccount:" + w.account.Namespace + ":" + w.account.Name
}

// delete deletes the pod completely, as a kubelet does when its containers have ended.
func (w *workload) delete(t *testing.T) {
	t.Helper()
	err := cluster.admin.CoreV1().Pods(w.pod.Namespace).Delete(t.Context(), w.pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	require.NoError(t, err)
}

// projection returns the service account token projection of a pod's volume.
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
