package entratest

import (
	"crypto/rsa"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// DefaultIssuer is the issuer of a [Cluster] that names none. It has the form of an AKS cluster's public issuer; the slash at its end counts.
const DefaultIssuer = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"

// Cluster is a fake Kubernetes cluster, as far as workload identity goes: its service-account issuer and the kubelet's projected volumes.
// The zero value is usable. It is safe for concurrent use and must not be copied after first use.
//
// All clusters of a process start with the same signing key, because keys are slow to make. RotateKey gives a cluster one that no other has.
type Cluster struct {
	// Issuer goes into the tokens as it stands. Empty is [DefaultIssuer]. With the URL of a test server whose handler is this Cluster,
	// discovery works over HTTP. Set before first use.
	Issuer string

	mu   sync.Mutex
	keys []*rsa.PrivateKey // in the order they were made: the last one signs
	down bool
}

// TokenRequest says what token a [Cluster] is to issue. Identifiers (uid) follow from the names: the same names have the same ones in every run.
type TokenRequest struct {
	Namespace      string        // "" is "default"
	ServiceAccount string        // "" is "default"
	Pod            string        // "" binds the token to no pod
	Node           string        // "" names no node
	Audiences      []string      // none is "api://AzureADTokenExchange"
	Lifetime       time.Duration // 0 is an hour; negative gives a token that expired that long ago
}

func (r TokenRequest) withDefaults() TokenRequest {
	if r.Namespace == "" {
		r.Namespace = "default"
	}
	if r.ServiceAccount == "" {
		r.ServiceAccount = "default"
	}
	if len(r.Audiences) == 0 {
		r.Audiences = []string{exchangeAudience}
	}
	if r.Lifetime == 0 {
		r.Lifetime = time.Hour
	}
	return r
}

// Token issues a token as the TokenRequest API of kube-apiserver does. Every token differs, by its jti.
func (c *Cluster) Token(r TokenRequest) (string, error) {
	signing := c.signingKeys()
	return sign(signing[len(signing)-1], c.claims(r.withDefaults()), "")
}

// claims follow pkg/serviceaccount/claims.go of Kubernetes 1.36. The audience is an array even when it is one.
func (c *Cluster) claims(r TokenRequest) jwt.MapClaims {
	issued := time.Now()
	expiry := issued.Add(r.Lifetime)
	if r.Lifetime < 0 {
		issued = expiry.Add(-time.Hour) // an expired token was valid once
	}
	bound := map[string]any{
		"namespace":      r.Namespace,
		"serviceaccount": object("serviceaccount", r.Namespace, r.ServiceAccount),
	}
	if r.Pod != "" {
		bound["pod"] = object("pod", r.Namespace, r.Pod)
	}
	if r.Node != "" {
		bound["node"] = object("node", "", r.Node)
	}
	return jwt.MapClaims{
		"iss": c.issuer(), "sub": "system:serviceaccount:" + r.Namespace + ":" + r.ServiceAccount, "aud": r.Audiences,
		"iat": issued.Unix(), "nbf": issued.Unix(), "exp": expiry.Unix(), "jti": newGUID(),
		"kubernetes.io": bound,
	}
}

func object(kind, namespace, name string) map[string]any {
	return map[string]any{"name": name, "uid": guidOf(kind, namespace, name)}
}

// RotateKey makes a new signing key for the tokens to come. The old ones stay in the JWKS, as they do for 24 h on AKS, until [Cluster.DropOldKeys].
func (c *Cluster) RotateKey() error {
	key, err := generateKey()
	if err != nil {
		return err
	}
	c.signingKeys() // so that there is an old key
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, key)
	return nil
}

// DropOldKeys leaves only the key that signs now in the JWKS. Tokens signed before the last rotation no longer verify.
func (c *Cluster) DropOldKeys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.keys); n > 0 {
		c.keys = c.keys[n-1:]
	}
}

// SetUnavailable makes discovery answer 503, as an issuer that is down or not public, until SetUnavailable(false). The cluster goes on
// issuing tokens.
func (c *Cluster) SetUnavailable(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

func (c *Cluster) unavailable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down
}

// signingKeys returns the keys, oldest first; there is always one.
func (c *Cluster) signingKeys() []*rsa.PrivateKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) == 0 {
		c.keys = []*rsa.PrivateKey{clusterKey()}
	}
	return slices.Clone(c.keys)
}

func (c *Cluster) issuer() string {
	if c.Issuer == "" {
		return DefaultIssuer
	}
	return c.Issuer
}

// clusterConfiguration has the members that kube-apiserver serves, in its order.
type clusterConfiguration struct {
	Issuer        string   `json:"issuer"`
	JWKSURI       string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	SigningAlgs   []string `json:"id_token_signing_alg_values_supported"`
}

// ServeHTTP implements [http.Handler]. Below the issuer's path it serves .well-known/openid-configuration and openid/v1/jwks.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := strings.TrimSuffix(c.issuer(), "/")
	at, err := url.Parse(base)
	if err != nil {
		http.Error(w, "entratest: Cluster.Issuer is not a URL", http.StatusInternalServerError)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if c.unavailable() {
		http.Error(w, "entratest: the issuer is unavailable", http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case at.Path + "/.well-known/openid-configuration":
		serveDocument(w, "application/json", clusterConfiguration{
			Issuer: c.issuer(), JWKSURI: base + "/openid/v1/jwks", ResponseTypes: []string{"id_token"},
			SubjectTypes: []string{"public"}, SigningAlgs: []string{"RS256"},
		})
	case at.Path + "/openid/v1/jwks":
		serveDocument(w, "application/jwk-set+json", publicKeys(c.signingKeys()...))
	default:
		http.NotFound(w, r)
	}
}

// Do answers r without a socket, as [Server.Do] does: the issuer's documents for whoever fetches them inside a testing/synctest bubble.
func (c *Cluster) Do(r *http.Request) (*http.Response, error) {
	return roundTrip(r, func(r *http.Request) (*response, error) {
		w := &responseWriter{response{status: http.StatusOK, header: http.Header{}}}
		c.ServeHTTP(w, r)
		return &w.response, nil
	})
}

// serveDocument sets the headers of kube-apiserver (pkg/routes/openidmetadata.go).
func serveDocument(w http.ResponseWriter, media string, document any) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(encode(document))
}
