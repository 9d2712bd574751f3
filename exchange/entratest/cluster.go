package entratest

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// DefaultIssuer is the issuer of a [Cluster] whose Issuer is empty. It has the form of an AKS
// cluster's public issuer. The trailing slash is part of it.
const DefaultIssuer = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"

// Cluster fakes the parts of a Kubernetes cluster that workload identity uses: the service-account
// issuer and the kubelet's projected volumes. The zero value is ready to use. It is safe for
// concurrent use and must not be copied after first use.
//
// All clusters of a process start with the same signing key. RotateKey gives a cluster its own.
type Cluster struct {
	// Issuer is the issuer of the tokens, verbatim. Empty means [DefaultIssuer]. To serve discovery
	// over HTTP, use the URL of a test server that has this Cluster as its handler. Set before
	// first use.
	Issuer string

	signer signer

	mu   sync.Mutex
	down bool
}

// TokenRequest describes a token that a [Cluster] issues. Object IDs (uid) are derived from the
// names, so they are the same in every run.
type TokenRequest struct {
	Namespace      string        // default: "default"
	ServiceAccount string        // default: "default"
	Pod            string        // if empty, the token is not bound to a pod
	Node           string        // if empty, the token names no node
	Audiences      []string      // default: "api://AzureADTokenExchange"
	Lifetime       time.Duration // default: an hour; -d means that the token expired d ago
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

func (r TokenRequest) subject() string {
	return "system:serviceaccount:" + r.Namespace + ":" + r.ServiceAccount
}

// Token issues a token as kube-apiserver's TokenRequest API does. Each token has its own jti.
func (c *Cluster) Token(r TokenRequest) (string, error) {
	return c.issuing().sign(c.claims(r.withDefaults()), "")
}

// claims returns the claims of pkg/serviceaccount/claims.go in Kubernetes 1.36. The audience is an
// array even if there is only one.
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
		"iss": c.issuer(), "sub": r.subject(), "aud": r.Audiences,
		"iat": issued.Unix(), "nbf": issued.Unix(), "exp": expiry.Unix(), "jti": newGUID(),
		"kubernetes.io": bound,
	}
}

func object(kind, namespace, name string) map[string]any {
	return map[string]any{"name": name, "uid": guidOf(kind, namespace, name)}
}

// RotateKey makes the cluster sign with a new key. The old keys stay in the JWKS until
// [Cluster.DropOldKeys]; on AKS they stay for 24 h.
func (c *Cluster) RotateKey() { c.issuing().rotate() }

// DropOldKeys leaves only the current signing key in the JWKS. Tokens signed before the last
// rotation no longer verify.
func (c *Cluster) DropOldKeys() { c.signer.dropOld() }

// SetUnavailable makes discovery answer 503, like an issuer that is down or not public, until
// SetUnavailable(false). The cluster still issues tokens.
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

func (c *Cluster) issuing() *signer {
	c.signer.begin(clusterKey)
	return &c.signer
}

func (c *Cluster) issuer() string {
	if c.Issuer == "" {
		return DefaultIssuer
	}
	return c.Issuer
}

// clusterConfiguration is the openid-configuration of kube-apiserver, in its order of members.
type clusterConfiguration struct {
	Issuer        string   `json:"issuer"`
	JWKSURI       string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	SigningAlgs   []string `json:"id_token_signing_alg_values_supported"`
}

// ServeHTTP implements [http.Handler]. Below the issuer's path it serves
// .well-known/openid-configuration and openid/v1/jwks.
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
		serveDocument(w, "application/jwk-set+json", publicKeys(c.issuing().all()...))
	default:
		http.NotFound(w, r)
	}
}

// Do answers r without a socket, like [Server.Do]. Use it to fetch the issuer's documents inside a
// testing/synctest bubble.
func (c *Cluster) Do(r *http.Request) (*http.Response, error) {
	return roundTrip(r, func(r *http.Request) (*reply, error) {
		w := &replyWriter{reply{status: http.StatusOK, header: http.Header{}}}
		c.ServeHTTP(w, r)
		return &w.reply, nil
	})
}

// RoundTrip calls Do. It makes a Cluster an [http.RoundTripper].
func (c *Cluster) RoundTrip(r *http.Request) (*http.Response, error) { return c.Do(r) }

// serveDocument sets the headers of kube-apiserver (pkg/routes/openidmetadata.go).
func serveDocument(w http.ResponseWriter, media string, document any) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(encode(document))
}
