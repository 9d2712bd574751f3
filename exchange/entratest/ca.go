package entratest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificateLifetime is the lifetime of a CA and of the certificates it issues. Both start an hour
// in the past to allow for clock differences.
const certificateLifetime = 90 * 24 * time.Hour

// CA is a certificate authority for tests over TLS: of a fake Entra ID, an issuer, or a token proxy
// whose server name differs from its host. Make one with [NewCA]; to test a CA rotation, make a
// second one. Its key stays in memory. A CA is safe for concurrent use.
type CA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewCA returns a certificate authority that is valid for 90 days. Each has its own key and name.
func NewCA() (*CA, error) {
	template := certificateTemplate("entratest CA " + newGUID())
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return issueCertificate(template, nil)
}

// Certificate issues a server certificate, with its key, for DNS names and IP addresses. It is
// valid for 90 days. It fails if there is no name.
func (a *CA) Certificate(names ...string) (tls.Certificate, error) {
	if len(names) == 0 {
		return tls.Certificate{}, errors.New("entratest: a certificate needs at least one name")
	}
	template := certificateTemplate(names[0])
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	leaf, err := issueCertificate(template, a)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{leaf.certificate.Raw}, PrivateKey: leaf.key, Leaf: leaf.certificate}, nil
}

// PEM returns the CA's certificate in PEM form, for a client that reads it from a file or variable.
func (a *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Pool returns a new pool that holds only the CA's certificate, for a client's [tls.Config].
func (a *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func certificateTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // fails only if the reader does
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(certificateLifetime),
	}
}

// issueCertificate returns a new certificate and its key. With a nil signer it is self-signed.
func issueCertificate(template *x509.Certificate, signer *CA) (*CA, error) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // cannot fail for a curve of the standard library
	if signer == nil {
		signer = &CA{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, &key.PublicKey, signer.key)
	if err != nil {
		return nil, fmt.Errorf("entratest: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("entratest: %w", err)
	}
	return &CA{certificate, key}, nil
}
