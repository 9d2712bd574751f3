package entratest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// init draws the process's first randomness. In FIPS mode, crypto/rand then collects entropy from
// the jitter of the clock. In a testing/synctest bubble, where the clock stands still, it panics.
func init() { rand.Read(make([]byte, 1)) }

// signer holds the RSA keys of one issuer. The last one signs.
type signer struct {
	mu   sync.Mutex
	keys []*rsa.PrivateKey
}

// begin gives the signer its first key if it has none yet.
func (s *signer) begin(first func() *rsa.PrivateKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) == 0 {
		s.keys = []*rsa.PrivateKey{first()}
	}
}

// all returns the keys, oldest first. It creates the first key on first use.
func (s *signer) all() []*rsa.PrivateKey {
	s.begin(keys.next)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

func (s *signer) sign(claims jwt.MapClaims, typ string) (string, error) {
	all := s.all()
	return sign(all[len(all)-1], claims, typ)
}

// find returns the key with the given ID, or nil.
func (s *signer) find(kid string) *rsa.PublicKey {
	for _, key := range s.all() {
		if keyID(&key.PublicKey) == kid {
			return &key.PublicKey
		}
	}
	return nil
}

func (s *signer) rotate() {
	s.begin(keys.next) // so that there is an old key
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, keys.next())
}

func (s *signer) dropOld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[max(0, len(s.keys)-1):]
}

// keys makes all keys of the process. Generating an RSA key takes about 0.1 s, more under the race
// detector, and a test suite makes many servers. Keys therefore share primes in all combinations: n
// servers cost only about √(n/2) generated keys. Anyone with two such keys can factor both, which
// does not matter in tests.
var keys keyMaker

// clusterKey returns the first key of every cluster. It is shared because tests issue tokens from
// one Cluster value and trust another.
var clusterKey = sync.OnceValue(keys.next)

type keyMaker struct {
	mu     sync.Mutex
	primes []*big.Int
	i, j   int // the next combination; j < i
}

// next returns a key that it has not returned before.
func (m *keyMaker) next() *rsa.PrivateKey {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.j == m.i {
		m.i, m.j = m.i+1, 0
	}
	if m.i >= len(m.primes) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic("entratest: making a key: " + err.Error()) // fails only if the reader does
		}
		m.primes = append(m.primes, key.Primes...)
	}
	key := keyOf(m.primes[m.i], m.primes[m.j])
	m.j++
	return key
}

// keyOf returns the RSA key of two primes (RFC 8017 section 3.2).
func keyOf(p, q *big.Int) *rsa.PrivateKey {
	const exponent = 65537
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: exponent},
		D:         new(big.Int).ModInverse(big.NewInt(exponent), phi),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	return key
}

// keyID derives a key's kid as Kubernetes does (pkg/serviceaccount/jwt.go, keyIDFromPublicKey).
func keyID(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic("entratest: encoding an RSA public key: " + err.Error()) // cannot happen: RSA keys have an encoding
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// jwk is an RSA public key (RFC 7517), in kube-apiserver's order of members.
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
