package kubernetes_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// controlPlane is a kube-apiserver and its etcd. Its address stays the same over restarts, because
// it is the issuer.
type controlPlane struct {
	dir     string
	address string
	etcdURL string
	keys    []string // key files; the first one signs

	etcd   *embed.Etcd
	server *apiServer
	admin  *kubernetes.Clientset
}

// startControlPlane returns when the server is ready and its discovery documents are public.
func startControlPlane(dir string) (*controlPlane, error) {
	c := &controlPlane{dir: dir}
	key, err := newSigningKey(dir)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.address = listener.Addr().String()
	if c.etcd, err = startEtcd(dir); err != nil {
		return nil, err
	}
	c.etcdURL = "http://" + c.etcd.Clients[0].Addr().String()
	adminToken := rand.Text()
	if err := os.WriteFile(c.tokenAuthFile(), []byte(adminToken+",admin,admin,system:masters\n"), 0o600); err != nil {
		return nil, err
	}
	c.admin, err = kubernetes.NewForConfig(&rest.Config{
		Host:            c.issuer(),
		BearerToken:     adminToken,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true}, // no certificate yet, and on loopback
		Timeout:         30 * time.Second,
		QPS:             -1,
	})
	if err != nil {
		return nil, err
	}
	if err := c.start(listener, key); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	if err := c.publishIssuer(context.Background()); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *controlPlane) issuer() string        { return "https://" + c.address }
func (c *controlPlane) tokenAuthFile() string { return filepath.Join(c.dir, "tokens.csv") }

// start starts kube-apiserver with signing keys and waits until it is ready.
func (c *controlPlane) start(listener net.Listener, keys ...string) error {
	server, err := startAPIServer(listener, c.arguments(keys))
	if err != nil {
		return err
	}
	c.server, c.keys = server, keys
	return server.waitFor(func() error {
		return c.admin.RESTClient().Get().AbsPath("/readyz").Do(context.Background()).Error()
	})
}

// restart restarts kube-apiserver with other signing keys, because it reads them only when it
// starts.
func (c *controlPlane) restart(keys ...string) error {
	if err := c.stopServer(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		return err
	}
	return c.start(listener, keys...)
}

func (c *controlPlane) stop() error {
	defer c.etcd.Close()
	return c.stopServer()
}

func (c *controlPlane) stopServer() error {
	server := c.server
	if server == nil {
		return nil
	}
	c.server = nil
	return server.stop()
}

// anonymous returns a client without credentials, as Entra ID is for the issuer. It trusts the CA
// that kube-apiserver made for itself.
func (c *controlPlane) anonymous() (*http.Client, error) {
	// The file holds the certificates of the server and the CA.
	chain, err := os.ReadFile(filepath.Join(c.dir, "pki", "apiserver.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(chain) {
		return nil, errors.New("apiserver.crt holds no certificate")
	}
	return &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true},
	}, nil
}

const discoveryRole = "system:service-account-issuer-discovery"

// publishIssuer makes the discovery documents public, as in clusters with a public issuer, and
// waits until that takes effect.
func (c *controlPlane) publishIssuer(ctx context.Context) error {
	_, err := c.admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "public-issuer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: discoveryRole},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:unauthenticated"}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return c.waitForDiscovery(http.StatusOK)
}

// hideIssuer undoes publishIssuer. By default, only service accounts may read the documents.
func (c *controlPlane) hideIssuer(ctx context.Context) error {
	if err := c.admin.RbacV1().ClusterRoleBindings().Delete(ctx, "public-issuer", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return c.waitForDiscovery(http.StatusForbidden)
}

// waitForDiscovery waits until an anonymous client gets status. RBAC learns about rules from a
// watch.
func (c *controlPlane) waitForDiscovery(status int) error {
	stranger, err := c.anonymous()
	if err != nil {
		return err
	}
	defer stranger.CloseIdleConnections()
	return c.server.waitFor(func() error {
		reply, err := stranger.Get(c.issuer() + "/.well-known/openid-configuration")
		if err != nil {
			return err
		}
		reply.Body.Close()
		if reply.StatusCode != status {
			return fmt.Errorf("discovery answers %s", reply.Status)
		}
		return nil
	})
}
