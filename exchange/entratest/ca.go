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

// certificateLifetime is that of a CA and of what it issues. Both start an hour early, for clocks that differ.
const certificateLifetime = 90 * 24 * time.Hour

// CA is a certificate authority for tests over TLS: for a fake Entra ID, an issuer, or a token proxy that is asked for by another
// name than its host. Make one with [NewCA]. A rotation is a second CA. Its key is in memory only. It is safe for concurrent use.
type CA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewCA makes a certificate authority that is valid for 90 days. No two have the same key or name.
func NewCA() (*CA, error) {
	template := certificateTemplate("entratest CA " + newGUID())
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return issueCertificate(template, nil)
}

// Certificate issues a server's certificate, with its key, for DNS names and IP addresses. It is valid for 90 days.
func (a *CA) Certificate(names ...string) (tls.Certificate, error) {
	if len(names) == 0 {
		return tls.Certificate{}, errors.New("entratest: a certificate needs a name")
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

// PEM returns the CA's own certificate, for a file or variable that a client takes it from.
func (a *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Pool returns a new pool that holds the CA's certificate and no other, for a client's [tls.Config].
func (a *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func certificateTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // fails for no reader but a broken one
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(certificateLifetime),
	}
}

// issueCertificate makes a certificate and its key. Where there is no signer it signs itself.
func issueCertificate(template *x509.Certificate, signer *CA) (*CA, error) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // fails for no curve of the standard library
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
