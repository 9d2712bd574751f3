package kubernetes_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
)

// newSigningKey writes a key for service account tokens to a file in dir, as kubeadm does, and
// returns its path.
func newSigningKey(dir string) (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	return writeKey(dir, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// newEllipticKey is newSigningKey with an elliptic key, which Kubernetes also supports.
func newEllipticKey(dir string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", err
	}
	return writeKey(dir, &pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

func writeKey(dir string, block *pem.Block) (string, error) {
	file, err := os.CreateTemp(dir, "sa-*.key")
	if err != nil {
		return "", err
	}
	defer file.Close()
	return file.Name(), pem.Encode(file, block)
}
