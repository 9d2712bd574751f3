package azure_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// resource guards a service's handler as Azure does. A request passes if its token is signed by
// Entra ID, for this audience and this tenant, not expired and not revoked.
type resource struct {
	audience  string
	tenant    string // required tenant
	challenge string // WWW-Authenticate header for a 401
	service   http.Handler
	rig       *rig

	mu      sync.Mutex
	revoked map[string]string // claims challenge by token; empty means the usual one
	seen    []decision
}

// decision is the resource's decision about one request.
type decision struct {
	status int
	why    string // reason for a refusal; quotes no token
	token  string // secret: compare, do not print
	claims *accessClaims
}

// guard starts the resource's server. service handles the requests that pass.
func (r *rig) guard(t *testing.T, host, audience string, service http.HandlerFunc) *resource {
	t.Helper()
	guarded := &resource{
		audience: audience, tenant: tenantID, service: service, rig: r, revoked: map[string]string{},
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

func (g *resource) judge(r *http.Request) (s decision, challenge string) {
	s = decision{status: http.StatusUnauthorized, token: bearer(r)}
	if s.token == "" {
		s.why = "no token"
		return s, g.challenge
	}
	claims, err := g.rig.verify(s.token, g.audience)
	if err != nil {
		s.why = err.Error()
		return s, g.challenge
	}
	s.claims = claims
	if claims.TenantID != g.tenant {
		s.why = "the token is from another tenant"
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

// bearer returns the token, in the format of most services or in Cosmos DB's.
func bearer(r *http.Request) string {
	header := r.Header.Get("Authorization")
	if token, ok := strings.CutPrefix(header, "Bearer "); ok {
		return token
	}
	token, _ := strings.CutPrefix(header, "type=aad&ver=1.0&sig=")
	return token
}

// revoke revokes a token. challenge is the reply to it; "" means the usual one.
func (g *resource) revoke(token, challenge string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.revoked[token] = challenge
}

func (g *resource) decisions() []decision {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// statuses returns the statuses of all requests so far, in order.
func (g *resource) statuses() []int {
	var all []int
	for _, s := range g.decisions() {
		all = append(all, s.status)
	}
	return all
}

func (g *resource) last() decision {
	all := g.decisions()
	return all[len(all)-1]
}
