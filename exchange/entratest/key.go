package entratest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"sync"
)

// The first keys are generated once per process, when first needed: 2048 bits take a good part of a second under the
// race detector, and a test suite makes many servers.
var (
	entraKey   = sync.OnceValue(mustGenerateKey)
	clusterKey = sync.OnceValue(mustGenerateKey)
)

func generateKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }

func mustGenerateKey() *rsa.PrivateKey {
	key, err := generateKey()
	if err != nil {
		panic("entratest: generating a key: " + err.Error())
	}
	return key
}

// keyID derives a key's kid as Kubernetes does (pkg/serviceaccount/jwt.go, keyIDFromPublicKey).
func keyID(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic("entratest: encoding an RSA public key: " + err.Error()) // cannot be: RSA keys have an encoding
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// jwk is an RSA public key of RFC 7517, its members in the order in which kube-apiserver writes them.
type jwk struct {
	Use string `json:"use"`
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	N   string `json:"n"`
	E   string `json:"e"`
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

func publicKeys(keys ...*rsa.PrivateKey) jwkSet {
	set := jwkSet{Keys: make([]jwk, 0, len(keys))}
	for _, key := range keys {
		set.Keys = append(set.Keys, jwk{
			Use: "sig", Kty: "RSA", Kid: keyID(&key.PublicKey), Alg: "RS256",
			N: base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		})
	}
	return set
}
