package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// apiServer is a running kube-apiserver.
type apiServer struct {
	cancel context.CancelFunc
	done   chan error // app.Run's result
}

// startAPIServer starts kube-apiserver with command-line arguments. It does not use the command
// itself, which takes over the process's signals and so can run only once. The server takes over
// the listener.
func startAPIServer(listener net.Listener, arguments []string) (*apiServer, error) {
	o := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range o.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	o.SecureServing.Listener = listener

	ctx, cancel := context.WithCancel(context.Background())
	completed, err := o.Complete(ctx)
	if err == nil {
		err = utilerrors.NewAggregate(completed.Validate())
	}
	if err != nil {
		cancel()
		return nil, err
	}
	s := &apiServer{cancel, make(chan error, 1)}
	go func() { s.done <- app.Run(ctx, completed) }()
	return s, nil
}

// waitFor waits until ready returns no error.
func (s *apiServer) waitFor(ready func() error) error {
	const patience = time.Minute
	deadline := time.After(patience)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case ended := <-s.done:
			s.done <- ended
			return fmt.Errorf("kube-apiserver ended: %v", ended)
		case <-deadline:
			return fmt.Errorf("kube-apiserver is not ready after %v: %w", patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop shuts the server down, as SIGTERM does.
func (s *apiServer) stop() error {
	s.cancel()
	select {
	case err := <-s.done:
		return err
	case <-time.After(time.Minute):
		return errors.New("kube-apiserver did not stop within a minute")
	}
}

// arguments returns kube-apiserver's arguments. The first key signs service account tokens. All
// keys are published and accepted.
func (c *controlPlane) arguments(keys []string) []string {
	_, port, _ := net.SplitHostPort(c.address)
	arguments := []string{
		"--etcd-servers=" + c.etcdURL,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + port,
		"--cert-dir=" + filepath.Join(c.dir, "pki"), // for its certificate, which a restart reuses
		"--authorization-mode=RBAC",
		"--token-auth-file=" + c.tokenAuthFile(),
		"--service-account-issuer=" + c.issuer(),
		"--service-account-signing-key-file=" + keys[0],
		"--service-cluster-ip-range=10.0.0.0/24",
		"--endpoint-reconciler-type=none", // endpoints must not be on loopback
	}
	for _, key := range keys {
		arguments = append(arguments, "--service-account-key-file="+key)
	}
	return arguments
}
