package entratest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// directory holds the registered tenants by GUID.
type directory map[string]*tenant

// Trust registers a federated credential together with its tenant and application. It makes the
// server strict: only registered tenants and clients are served, and an assertion is accepted only
// if Entra would accept it (see [Server]). The credential takes effect at once, or after
// PropagationDelay. The server fetches the issuer's keys over the network with HTTPClient. For a
// Cluster in the same process, use [Server.TrustCluster] instead.
//
// Like Entra, Trust refuses:
//
//   - an issuer that is not an https URL
//   - an issuer or subject of more than 600 characters
//   - a name that is not 3 to 120 letters, digits, hyphens and underscores, or that starts with
//     a hyphen or an underscore
//   - more than one audience
//   - a second credential with the same name, or the same issuer and subject, on one identity
//   - a 21st credential on one identity
//
// The error lists every invalid field, or else the first conflict, and nothing is registered.
func (s *Server) Trust(credential FederatedCredential) error {
	credential = credential.withDefaults()
	err := credential.validate()
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.trust(credential)
	}
	if err != nil {
		return fmt.Errorf("entratest: %v: %w", credential, err)
	}
	return nil
}

func (s *Server) trust(credential FederatedCredential) error {
	who := s.findOrRegister(credential.TenantID, credential.ClientID)
	if who.blueprint != "" {
		return errors.New("an agent identity cannot have federated credentials; register it for its blueprint")
	}
	added := trusted{FederatedCredential: credential, id: newGUID(), since: time.Now().Add(s.PropagationDelay)}
	if err := who.conflict(added); err != nil {
		return err
	}
	who.credentials = append(who.credentials, added)
	return nil
}

// TrustCluster makes the server read the keys of the cluster's issuer directly from c instead of
// over HTTP, and trusts the credentials, if any. A credential without an Issuer gets the cluster's.
// Use it inside a testing/synctest bubble, which has no network. Set the cluster's Issuer first.
//
// The error joins those of the credentials that were refused; the others are registered. A second
// cluster with the same issuer is an error, and nothing is registered: give that cluster its own
// Issuer.
func (s *Server) TrustCluster(c *Cluster, credentials ...FederatedCredential) error {
	if err := s.addCluster(c); err != nil {
		return err
	}
	var errs []error
	for _, credential := range credentials {
		if credential.Issuer == "" {
			credential.Issuer = c.issuer()
		}
		errs = append(errs, s.Trust(credential))
	}
	return errors.Join(errs...)
}

func (s *Server) addCluster(c *Cluster) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.clusters[c.issuer()]; known != nil && known != c {
		return fmt.Errorf("entratest: another cluster already uses the issuer %q", c.issuer())
	}
	if s.clusters == nil {
		s.clusters = map[string]*Cluster{}
	}
	s.clusters[c.issuer()] = c
	return nil
}

// Revoke removes the federated credential that has the same tenant, client, issuer and subject as
// credential. It takes effect at once. An empty Issuer matches any registered cluster's. The
// application stays registered: without any credential left, it is refused with AADSTS70025. Tokens
// already issued stay valid, as with Entra. Revoke fails if there is no such credential.
func (s *Server) Revoke(credential FederatedCredential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if who := s.find(credential.TenantID, credential.ClientID); who != nil {
		before := len(who.credentials)
		who.credentials = slices.DeleteFunc(who.credentials, func(t trusted) bool {
			ofCluster := credential.Issuer == "" && s.clusters[t.Issuer] != nil
			return (ofCluster || t.Issuer == credential.Issuer) && t.Subject == credential.Subject
		})
		if len(who.credentials) < before {
			return nil
		}
	}
	return fmt.Errorf("entratest: %v: it is not registered", credential)
}

// AddApplication registers a tenant and an application without a federated credential, and makes
// the server strict. It does nothing if both are registered already. It fails if an ID is empty or
// too long.
func (s *Server) AddApplication(tenantID, clientID string) error {
	if err := validateIdentity(tenantID, clientID); err != nil {
		return fmt.Errorf("entratest: application: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findOrRegister(tenantID, clientID)
	return nil
}

// SetDisabled disables a registered application, which is then refused with AADSTS7000112, or
// enables it again. It fails if there is no such application.
func (s *Server) SetDisabled(tenantID, clientID string, disabled bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.find(tenantID, clientID)
	if who == nil {
		return fmt.Errorf("entratest: no client %q in tenant %q", clientID, tenantID)
	}
	who.disabled = disabled
	return nil
}

// find returns the registered identity, or nil. The caller holds the lock.
func (s *Server) find(tenantID, clientID string) *identity {
	if t := s.directory[tenantGUID(tenantID)]; t != nil {
		return t.identities[strings.ToLower(clientID)]
	}
	return nil
}

func (s *Server) findOrRegister(tenantID, clientID string) *identity {
	if who := s.find(tenantID, clientID); who != nil {
		return who
	}
	return s.register(tenantID, clientID)
}

// register adds an identity. The caller holds the lock.
func (s *Server) register(tenantID, clientID string) *identity {
	if s.directory == nil {
		s.directory = directory{}
	}
	t := s.directory[tenantGUID(tenantID)]
	if t == nil {
		t = &tenant{identities: map[string]*identity{}}
		s.directory[tenantGUID(tenantID)] = t
	}
	who := &identity{clientID: canonical(clientID)}
	t.identities[strings.ToLower(clientID)] = who
	return who
}

// strict reports whether anything has been registered.
func (s *Server) strict() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.directory != nil
}

// lookUp returns a snapshot of the identity that a request names and of its tenant's policy.
func (s *Server) lookUp(c *call) (identity, Policy, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if no := s.unknownTenant(c.TenantID); no != nil {
		return identity{}, Policy{}, no
	}
	home := s.directory[c.tenant]
	if no := home.elsewhere(c.Host); no != nil {
		return identity{}, Policy{}, no
	}
	who := s.find(c.TenantID, c.ClientID)
	if who != nil {
		c.client = who.clientID
	}
	switch {
	case who == nil:
		return identity{}, Policy{}, &refusal{code: 700016}
	case who.disabled:
		return identity{}, Policy{}, &refusal{code: 7000112}
	}
	found := *who
	found.credentials = slices.Clone(who.credentials)
	return found, home.policy, nil
}

// unknownTenant refuses a tenant that is not registered. The caller holds the lock.
func (s *Server) unknownTenant(tenantID string) *refusal {
	switch {
	case s.directory[tenantGUID(tenantID)] != nil:
		return nil
	case !tenantForm.MatchString(tenantID):
		return &refusal{code: 900023}
	}
	return &refusal{code: 90002}
}

// checkConfiguration refuses the openid-configuration of an unknown tenant, as Entra does
// (kubernetes-sigs/external-dns#4418).
func (s *Server) checkConfiguration(c *call) *refusal {
	if !s.strict() || slices.Contains(tenantless, strings.ToLower(c.TenantID)) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unknownTenant(c.TenantID)
}

// tenantless are the names that do not stand for a particular tenant. They have a configuration but
// no applications.
var tenantless = []string{"common", "organizations", "consumers"}
