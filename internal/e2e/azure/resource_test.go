package azure_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// resource guards a service's handler as Azure does: it lets a request through whose token is signed by Entra ID, for this
// audience and this tenant, not expired and not revoked.
type resource struct {
	audience  string
	tenant    string // of the tokens it takes
	challenge string // WWW-Authenticate of a 401
	service   http.Handler
	keys      keySet

	mu      sync.Mutex
	revoked map[string]string // by token; the claims challenge to say, if any
	seen    []sight
}

// sight is one request as the resource judged it.
type sight struct {
	status int
	why    string // of a refusal; quotes no token
	token  string // compare, do not print
	claims *accessClaims
}

// guard starts the resource's server. service gets the requests that are let through.
func (r *rig) guard(t *testing.T, host, audience string, service http.HandlerFunc) *resource {
	t.Helper()
	guarded := &resource{
		audience: audience, tenant: tenantID, service: service, keys: r.keys(t), revoked: map[string]string{},
		challenge: fmt.Sprintf(`Bearer authorization_uri="https://%s/%s/oauth2/authorize", resource_id="%s"`, loginHost, tenantID, audience),
	}
	r.serve(t, host, guarded)
	return guarded
}

func (g *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, challenge := g.judge(r)
	g.mu.Lock()
	g.seen = append(g.seen, s)
	g.mu.Unlock()
	if s.status != http.StatusOK {
		w.Header().Set("WWW-Authenticate", challenge)
		http.Error(w, s.why, s.status)
		return
	}
	g.service.ServeHTTP(w, r)
}

func (g *resource) judge(r *http.Request) (s sight, challenge string) {
	s = sight{status: http.StatusUnauthorized, token: bearer(r)}
	if s.token == "" {
		s.why = "no token"
		return s, g.challenge
	}
	claims, err := g.keys.verify(s.token, g.audience)
	if err != nil {
		s.why = err.Error()
		return s, g.challenge
	}
	s.claims = claims
	if claims.TenantID != g.tenant {
		s.why = "a token of another tenant"
		return s, g.challenge
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if says, revoked := g.revoked[s.token]; revoked {
		s.why = "revoked"
		if says == "" {
			says = g.challenge
		}
		return s, says
	}
	s.status = http.StatusOK
	return s, ""
}

// bearer finds the token, in the form of nearly all services or in Cosmos DB's.
func bearer(r *http.Request) string {
	header := r.Header.Get("Authorization")
	if token, ok := strings.CutPrefix(header, "Bearer "); ok {
		return token
	}
	token, _ := strings.CutPrefix(header, "type=aad&ver=1.0&sig=")
	return token
}

// revoke makes a token count no more. challenge is what to say to it; "" is the usual one.
func (g *resource) revoke(token, challenge string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.revoked[token] = challenge
}

func (g *resource) sights() []sight {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// statuses of the requests so far, in order.
func (g *resource) statuses() []int {
	var all []int
	for _, s := range g.sights() {
		all = append(all, s.status)
	}
	return all
}

func (g *resource) last() sight {
	all := g.sights()
	return all[len(all)-1]
}
