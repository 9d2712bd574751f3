package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// loopback is a pod that can sign in. Its cluster and its Entra ID run on this machine.
type loopback struct {
	*entratest.Pod
	servers []*httptest.Server
	client  *http.Client // trusts both servers

	projected time.Duration // time to write the token file
	dir       string
	options   credential.Options // the pod's
}

// startLoopback starts the cluster and Entra ID as TLS servers, because nothing here accepts plain
// HTTP, and creates the pod. Entra ID validates the pod's token: it fetches the issuer's keys,
// verifies the signature, and compares issuer, subject and audience.
func startLoopback() (*loopback, error) {
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary directory (TMPDIR): %w", err)
	}
	fakes := &entratest.PodOptions{Cluster: new(entratest.Cluster), Entra: &entratest.Server{RefreshIn: refreshIn}}
	issuer, authority := httptest.NewTLSServer(fakes.Cluster), httptest.NewTLSServer(fakes.Entra)
	l := &loopback{dir: dir, servers: []*httptest.Server{issuer, authority}, client: trusting(issuer.Certificate(), authority.Certificate())}
	fakes.Cluster.Issuer, fakes.AuthorityHost, fakes.Entra.HTTPClient = issuer.URL, authority.URL+"/", l.client
	if err := makeKeys(fakes); err != nil {
		l.close()
		return nil, err
	}
	start := time.Now()
	if l.Pod, err = entratest.NewPod(dir, fakes); err != nil {
		l.close()
		return nil, err
	}
	l.projected = time.Since(start)
	l.options = credential.Options{ClientID: l.ClientID, TenantID: l.TenantID, TokenFilePath: l.TokenFile}
	l.options.Cloud.ActiveDirectoryAuthorityHost = l.AuthorityHost
	l.options.Transport = l.client
	return l, nil
}

// makeKeys generates the signing keys now. That takes a tenth of a second and would distort the
// measured times.
func makeKeys(fakes *entratest.PodOptions) error {
	if _, err := fakes.Cluster.Token(entratest.TokenRequest{}); err != nil {
		return err
	}
	fakes.Entra.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/common/discovery/v2.0/keys", nil))
	fakes.Entra.ForgetRequests()
	return nil
}

// trusting returns a client that trusts only servers with these certificates, and ignores proxies.
func trusting(certificates ...*x509.Certificate) *http.Client {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

func (l *loopback) close() {
	l.client.CloseIdleConnections()
	for _, server := range l.servers {
		server.Close()
	}
	_ = os.RemoveAll(l.dir) // if this fails, the system clears temporary files
}
