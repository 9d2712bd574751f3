package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// The one identity there is, and the service account that signs in as it.
const (
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	clientID = "11111111-2222-4333-8444-555555555555"

	namespace      = "default"
	serviceAccount = "workload"
)

// clusterPath is where the cluster's issuer is. Everything else is Entra ID, whose paths start with a tenant.
const clusterPath = "/cluster/"

// assertionLifetime is that of the token in the file: what a pod gets that asks for nothing else.
const assertionLifetime = time.Hour

// shutdown is how long requests may take to end after Ctrl-C.
const shutdown = 3 * time.Second

// fake is Entra ID and the cluster, while they run.
type fake struct {
	entra   entratest.Server
	cluster entratest.Cluster
	volume  *entratest.Projection
	server  *http.Server
	listen  net.Listener
	log     *log.Logger
	base    string // URL, without a slash at its end

	certificate string   // the CA's file
	leftovers   []string // what to remove at the end
}

// run serves until ctx ends. The environment goes to out, the requests to logs.
func run(ctx context.Context, out, logs io.Writer, s settings) (err error) {
	f := &fake{log: log.New(logs, "", log.LstdFlags)}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.start(s); err != nil {
		return err
	}
	if err := f.printEnvironment(out); err != nil {
		return err
	}
	return f.serve(ctx)
}

// start does everything but accept connections.
func (f *fake) start(s settings) error {
	if s.lifetime < time.Second {
		return fmt.Errorf("-lifetime %v is less than a second", s.lifetime)
	}
	ca, err := entratest.NewCA()
	if err != nil {
		return err
	}
	if err := f.listenOn(s.addr, ca); err != nil {
		return err
	}
	f.cluster.Issuer = f.base + clusterPath
	f.entra.Lifetime = s.lifetime
	f.entra.HTTPClient = &http.Client{ // it asks the cluster over TLS, as the real one does
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}},
	}
	err = f.entra.Trust(entratest.FederatedCredential{
		TenantID: tenantID, ClientID: clientID, Name: "fakeentra", Issuer: f.cluster.Issuer,
		Subject: "system:serviceaccount:" + namespace + ":" + serviceAccount,
	})
	if err != nil {
		return err
	}
	return f.writeFiles(s.dir, ca)
}

func (f *fake) listenOn(addr string, ca *entratest.CA) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // reached there too
	}
	certificate, err := ca.Certificate(host, "localhost", "127.0.0.1", "::1")
	if err != nil {
		return err
	}
	if f.listen, err = net.Listen("tcp", addr); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(f.listen.Addr().String())
	if err != nil {
		return err
	}
	f.base = "https://" + net.JoinHostPort(host, port)
	f.server = &http.Server{
		Handler:           logged(f.log, http.HandlerFunc(f.route)),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          f.log,
	}
	return nil
}

// route forgets requests at once: it may run for days.
func (f *fake) route(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, clusterPath) {
		f.cluster.ServeHTTP(w, r)
		return
	}
	f.entra.ServeHTTP(w, r)
	f.entra.ForgetRequests()
}

// writeFiles writes the CA's certificate and projects the token.
func (f *fake) writeFiles(dir string, ca *entratest.CA) error {
	var err error
	if dir == "" {
		if dir, err = os.MkdirTemp("", "fakeentra-"); err != nil {
			return err
		}
		f.leftovers = append(f.leftovers, dir)
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil { // the environment is for programs that run elsewhere
		return err
	}
	volume := filepath.Join(dir, "token")
	if _, err := os.Lstat(volume); err == nil {
		return fmt.Errorf("%s exists: does another fakeentra use it? If not, remove it", volume)
	}
	f.certificate = filepath.Join(dir, "ca.pem")
	f.leftovers = append(f.leftovers, f.certificate, volume)
	if err := os.WriteFile(f.certificate, ca.PEM(), 0o644); err != nil {
		return err
	}
	f.volume, err = f.cluster.Project(volume, "azure-identity-token", entratest.TokenRequest{
		Namespace: namespace, ServiceAccount: serviceAccount, Pod: serviceAccount + "-0", Lifetime: assertionLifetime,
	})
	return err
}

// serve returns nil when ctx has ended, and every request with it.
func (f *fake) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	rotated := make(chan struct{})
	go func() {
		defer close(rotated)
		rotate(ctx, f.volume, f.log)
	}()
	served := make(chan error, 1)
	go func() { served <- f.server.ServeTLS(f.listen, "", "") }()

	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		grace, done := context.WithTimeout(context.Background(), shutdown)
		defer done()
		if f.server.Shutdown(grace) != nil {
			err = f.server.Close()
		}
	}
	cancel()
	<-rotated
	return err
}

// rotate projects a new token as early as the kubelet does, at 80 % of its lifetime, until ctx ends.
func rotate(ctx context.Context, volume *entratest.Projection, log *log.Logger) {
	ticker := time.NewTicker(assertionLifetime * 8 / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := volume.Rotate(); err != nil {
			log.Printf("token file: %v", err)
			continue
		}
		log.Print("token file rotated")
	}
}

// close removes what was written. It can be called whatever start did.
func (f *fake) close() error {
	var errs []error
	if f.listen != nil {
		if err := f.listen.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if client := f.entra.HTTPClient; client != nil {
		client.CloseIdleConnections()
	}
	for _, path := range f.leftovers {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}

// printEnvironment writes what a POSIX shell understands.
func (f *fake) printEnvironment(out io.Writer) error {
	var text strings.Builder
	for _, variable := range [][2]string{
		{"AZURE_CLIENT_ID", clientID},
		{"AZURE_TENANT_ID", tenantID},
		{"AZURE_FEDERATED_TOKEN_FILE", f.volume.Path()},
		{"AZURE_AUTHORITY_HOST", f.base + "/"},
		{"SSL_CERT_FILE", f.certificate},
	} {
		fmt.Fprintf(&text, "export %s='%s'\n", variable[0], strings.ReplaceAll(variable[1], "'", `'\''`))
	}
	_, err := io.WriteString(out, text.String())
	return err
}
