package entratest

import (
	"fmt"
	"slices"
	"strings"
)

// Policy lists what a tenant's administrators forbid. The zero value forbids nothing.
type Policy struct {
	// NoFederation forbids workload identity federation (AADSTS700223).
	NoFederation bool

	// NoChaining refuses an assertion that was itself obtained with a federated credential
	// (AADSTS700231). If false, a token of this server for token exchange counts as a managed
	// identity's token, which a federated credential can name.
	NoChaining bool

	// AllowedIssuers are the only issuers whose assertions are accepted, compared exactly. All
	// others are refused (AADSTS700238). Empty allows every issuer.
	AllowedIssuers []string

	// BlockedClients are the client IDs that Conditional Access blocks (AADSTS53003). Case does not
	// matter.
	BlockedClients []string

	// UnconsentedClients are the client IDs that users have not consented to, so that they cannot
	// act for a user (AADSTS65001). Case does not matter.
	UnconsentedClients []string

	// MFAResources are resources, such as https://graph.microsoft.com, that require multi-factor
	// authentication (see UserToken.MFA). On behalf of any other user, a client gets
	// AADSTS50076: interaction_required with claims.
	MFAResources []string
}

// SetPolicy replaces the policy of a registered tenant. It fails if there is no such tenant.
func (s *Server) SetPolicy(tenantID string, policy Policy) error {
	return s.change(tenantID, func(t *tenant) {
		for _, list := range []*[]string{&policy.AllowedIssuers, &policy.BlockedClients, &policy.UnconsentedClients, &policy.MFAResources} {
			*list = slices.Clone(*list)
		}
		t.policy = policy
	})
}

// SetCloud places a registered tenant in the cloud that an authority host belongs to, such as
// "login.microsoftonline.us". Hosts of other clouds then refuse the tenant: the public cloud with
// AADSTS900382 (webprofusion/certify#553), a national cloud with AADSTS90002
// (Azure/azure-cli#22145). A host that belongs to no cloud still serves it. Without SetCloud, every
// host serves the tenant. SetCloud fails if there is no such tenant, or if host belongs to no
// cloud.
func (s *Server) SetCloud(tenantID, host string) error {
	cloud, known := knownCloud(host)
	if !known {
		return fmt.Errorf("entratest: %q is not an authority host of any cloud", host)
	}
	return s.change(tenantID, func(t *tenant) { t.cloud = cloud })
}

// tenant is a registered tenant.
type tenant struct {
	identities map[string]*identity // by client ID in lower case
	policy     Policy
	cloud      string // its preferred host; "" means any
}

func (s *Server) change(tenantID string, to func(*tenant)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.directory[tenantGUID(tenantID)]
	if t == nil {
		return fmt.Errorf("entratest: no tenant %q", tenantID)
	}
	to(t)
	return nil
}

// elsewhere refuses a request to a cloud other than the tenant's.
func (t *tenant) elsewhere(host string) *refusal {
	requested, known := knownCloud(host)
	switch {
	case t.cloud == "" || !known || requested == t.cloud:
		return nil
	case requested == clouds[0].PreferredNetwork:
		return &refusal{code: 900382}
	}
	return &refusal{code: 90002}
}

// federation refuses issuers that the policy forbids.
func (p Policy) federation(issuer string) *refusal {
	switch {
	case p.NoFederation:
		return &refusal{code: 700223}
	case len(p.AllowedIssuers) > 0 && !slices.Contains(p.AllowedIssuers, issuer):
		return &refusal{code: 700238}
	}
	return nil
}

// access applies the policies that Entra evaluates after the sign-in.
func (p Policy) access(c *call) *refusal {
	among := func(clients []string) bool {
		return slices.ContainsFunc(clients, func(client string) bool { return strings.EqualFold(client, c.ClientID) })
	}
	needsMFA := func(resource string) bool { return resourceKey(resource) == resourceKey(c.resource()) }
	switch {
	case among(p.BlockedClients):
		return &refusal{code: 53003}
	case c.user == nil:
		return nil
	case among(p.UnconsentedClients):
		return &refusal{code: 65001}
	case !c.user.agent && !c.user.mfa && slices.ContainsFunc(p.MFAResources, needsMFA):
		return &refusal{code: 50076}
	}
	return nil
}
