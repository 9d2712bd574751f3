package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// The identity that the pod signs in as; made up.
const (
	clientID = "11111111-2222-4333-8444-555555555555"
	tenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

// loopback is a cluster and an Entra ID on this machine, and a pod that is set up to sign in.
type loopback struct {
	cluster entratest.Cluster
	entra   entratest.Server
	servers []*httptest.Server
	client  *http.Client // trusts both servers

	volume    *entratest.Projection // the pod's token file
	projected time.Duration         // how long that took
	dir       string
	options   credential.Options // the pod's
}

// startLoopback starts both as TLS servers, for nothing less than https would do, and projects the pod's token.
func startLoopback() (*loopback, error) {
	l := &loopback{}
	l.entra.RefreshIn = refreshIn
	if err := makeKeys(); err != nil {
		return nil, err
	}
	issuer, entra := httptest.NewTLSServer(&l.cluster), httptest.NewTLSServer(&l.entra)
	l.servers = []*httptest.Server{issuer, entra}
	l.cluster.Issuer = issuer.URL
	l.client = trusting(issuer.Certificate(), entra.Certificate())
	if err := errors.Join(l.trust(), l.project()); err != nil {
		l.close()
		return nil, err
	}
	l.options = credential.Options{ClientID: clientID, TenantID: tenantID, TokenFilePath: l.volume.Path()}
	l.options.Cloud.ActiveDirectoryAuthorityHost = entra.URL
	l.options.Transport = l.client
	return l, nil
}

// makeKeys has both signing keys made, once per process, which takes a tenth of a second and would spoil the times.
func makeKeys() error {
	if _, err := new(entratest.Cluster).Token(entratest.TokenRequest{}); err != nil {
		return err
	}
	new(entratest.Server).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/common/discovery/v2.0/keys", nil))
	return nil
}

// trusting returns a client for servers with these certificates and no others, which also ignores proxies.
func trusting(certificates ...*x509.Certificate) *http.Client {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

// trust gives the identity its federated credential. From then on Entra ID judges: it fetches the issuer's keys, verifies the
// signature, and compares issuer, subject and audience.
func (l *loopback) trust() error {
	l.entra.HTTPClient = l.client
	return l.entra.Trust(entratest.FederatedCredential{
		TenantID: tenantID, ClientID: clientID, Issuer: l.cluster.Issuer, Subject: "system:serviceaccount:shop:checkout",
	})
}

// project does what the kubelet does for a pod with a projected volume: it asks for a token and puts it into a file.
func (l *loopback) project() error {
	start := time.Now()
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	l.dir = dir
	l.volume, err = l.cluster.Project(dir, "azure-identity-token", entratest.TokenRequest{
		Namespace: "shop", ServiceAccount: "checkout", Pod: "checkout-0",
	})
	l.projected = time.Since(start)
	return err
}

func (l *loopback) close() {
	l.client.CloseIdleConnections()
	for _, server := range l.servers {
		server.Close()
	}
	_ = os.RemoveAll(l.dir) // the system's own clearing of temporary files is the second chance
}
