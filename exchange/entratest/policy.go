package entratest

import (
	"fmt"
	"slices"
	"strings"
)

// Policy is what the administrators of a tenant forbid. The zero value forbids nothing.
type Policy struct {
	// NoFederation forbids workload identity federation altogether (AADSTS700223).
	NoFederation bool

	// AllowedIssuers are the only ones whose assertions are taken, letter by letter (AADSTS700238). None is any.
	AllowedIssuers []string

	// BlockedClients are the client IDs, in any case, that a Conditional Access policy gets no token for (AADSTS53003).
	BlockedClients []string
}

// SetPolicy puts a policy of a registered tenant in force, in the place of the one before. Its error is that there is no such tenant.
func (s *Server) SetPolicy(tenantID string, policy Policy) error {
	return s.change(tenantID, func(t *tenant) {
		policy.AllowedIssuers, policy.BlockedClients = slices.Clone(policy.AllowedIssuers), slices.Clone(policy.BlockedClients)
		t.policy = policy
	})
}

// SetCloud says which cloud a registered tenant lives in, by one of the cloud's authority hosts, as "login.microsoftonline.us". A
// host of another cloud serves it no more: the public one refuses it with AADSTS900382 (webprofusion/certify#553), a national
// one does not know it, AADSTS90002 (Azure/azure-cli#22145). Hosts that are no cloud's go on serving every tenant, and so does every
// host until SetCloud. Its error is that there is no such tenant, or that the host is no cloud's.
func (s *Server) SetCloud(tenantID, host string) error {
	cloud, known := knownCloud(host)
	if !known {
		return fmt.Errorf("entratest: %q is no authority host of a cloud", host)
	}
	return s.change(tenantID, func(t *tenant) { t.cloud = cloud })
}

// tenant is what is known of a tenant.
type tenant struct {
	identities map[string]*identity // by client, in lower case
	policy     Policy
	cloud      string // its preferred host; "" is any
}

func (s *Server) change(tenantID string, to func(*tenant)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.directory[strings.ToLower(tenantID)]
	if t == nil {
		return fmt.Errorf("entratest: there is no tenant %q", tenantID)
	}
	to(t)
	return nil
}

// elsewhere refuses a request to another cloud than the tenant's.
func (t *tenant) elsewhere(host string) *refusal {
	asked, known := knownCloud(host)
	switch {
	case t.cloud == "" || !known || asked == t.cloud:
		return nil
	case asked == clouds[0].PreferredNetwork:
		return &refusal{code: 900382}
	}
	return &refusal{code: 90002}
}

// federation refuses what the policy says of federated credentials.
func (p Policy) federation(issuer string) *refusal {
	switch {
	case p.NoFederation:
		return &refusal{code: 700223}
	case len(p.AllowedIssuers) > 0 && !slices.Contains(p.AllowedIssuers, issuer):
		return &refusal{code: 700238}
	}
	return nil
}

// access refuses what Conditional Access does, which comes after the sign-in.
func (p Policy) access(clientID string) *refusal {
	if slices.ContainsFunc(p.BlockedClients, func(blocked string) bool { return strings.EqualFold(blocked, clientID) }) {
		return &refusal{code: 53003}
	}
	return nil
}
