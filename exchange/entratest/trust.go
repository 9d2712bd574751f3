package entratest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// directory holds what is registered, by tenant in lower case.
type directory map[string]*tenant

// Trust registers a federated credential, and its tenant and application with it. From the first call on the server is
// strict: it serves no tenant and no client but those registered, and takes an assertion only if Entra would, as described
// at [Server]. The credential counts from now on, or after PropagationDelay. Its issuer is asked for its keys over the network,
// with HTTPClient; for a Cluster in the same process use [Server.TrustCluster] instead.
//
// It refuses what Entra refuses: an issuer that is no https URL, an issuer or subject of more than 600 characters, any number
// of audiences but one, a second credential with the same issuer and subject (or name) on one identity, and a 21st one.
// The error then names everything that is wrong, and nothing has changed.
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
	who := s.find(credential.TenantID, credential.ClientID)
	if who == nil {
		who = s.register(credential.TenantID, credential.ClientID)
	}
	if err := who.conflict(credential); err != nil {
		return err
	}
	who.credentials = append(who.credentials, trusted{credential, time.Now().Add(s.PropagationDelay)})
	return nil
}

// TrustCluster has the keys of a cluster's issuer read from the cluster itself, not over HTTP, and trusts the credentials;
// those without an Issuer get the cluster's. Without credentials it does the former only. It is what to use inside a
// testing/synctest bubble, where there is no network. Set the cluster's Issuer before. The error is that of the credentials
// that could not be trusted; the others are.
func (s *Server) TrustCluster(c *Cluster, credentials ...FederatedCredential) error {
	s.mu.Lock()
	if s.clusters == nil {
		s.clusters = map[string]*Cluster{}
	}
	s.clusters[c.issuer()] = c
	s.mu.Unlock()

	var errs []error
	for _, credential := range credentials {
		if credential.Issuer == "" {
			credential.Issuer = c.issuer()
		}
		errs = append(errs, s.Trust(credential))
	}
	return errors.Join(errs...)
}

// Revoke removes the federated credential with the tenant, client, issuer and subject of the one given, at once. Its
// application stays, so that one without any credential is refused with AADSTS70025. Tokens issued before stay valid, as they
// do with Entra. The error is that there is no such credential.
func (s *Server) Revoke(credential FederatedCredential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if who := s.find(credential.TenantID, credential.ClientID); who != nil {
		before := len(who.credentials)
		who.credentials = slices.DeleteFunc(who.credentials, func(t trusted) bool {
			return t.Issuer == credential.Issuer && t.Subject == credential.Subject
		})
		if len(who.credentials) < before {
			return nil
		}
	}
	return fmt.Errorf("entratest: %v: it is not trusted", credential)
}

// AddApplication registers a tenant and an application without any federated credential, and makes the server strict.
// Where both are there already it changes nothing.
func (s *Server) AddApplication(tenantID, clientID string) error {
	if err := validateIdentity(tenantID, clientID); err != nil {
		return fmt.Errorf("entratest: application: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(tenantID, clientID) == nil {
		s.register(tenantID, clientID)
	}
	return nil
}

// SetDisabled disables a registered application, so that it is refused with AADSTS7000112, or enables it again.
func (s *Server) SetDisabled(tenantID, clientID string, disabled bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.find(tenantID, clientID)
	if who == nil {
		return fmt.Errorf("entratest: there is no client %q in tenant %q", clientID, tenantID)
	}
	who.disabled = disabled
	return nil
}

// find returns nil for what is not registered. The caller holds the lock.
func (s *Server) find(tenantID, clientID string) *identity {
	if t := s.directory[strings.ToLower(tenantID)]; t != nil {
		return t.identities[strings.ToLower(clientID)]
	}
	return nil
}

// register adds an identity. The caller holds the lock.
func (s *Server) register(tenantID, clientID string) *identity {
	if s.directory == nil {
		s.directory = directory{}
	}
	t := s.directory[strings.ToLower(tenantID)]
	if t == nil {
		t = &tenant{identities: map[string]*identity{}}
		s.directory[strings.ToLower(tenantID)] = t
	}
	who := &identity{}
	t.identities[strings.ToLower(clientID)] = who
	return who
}

// strict reports whether anything has been registered.
func (s *Server) strict() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.directory != nil
}

// lookUp returns the identity that a request names and its tenant's policy, as they are now.
func (s *Server) lookUp(c *call) (identity, Policy, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if no := s.unknownTenant(c.TenantID); no != nil {
		return identity{}, Policy{}, no
	}
	home := s.directory[strings.ToLower(c.TenantID)]
	if no := home.elsewhere(c.Host); no != nil {
		return identity{}, Policy{}, no
	}
	who := s.find(c.TenantID, c.ClientID)
	switch {
	case who == nil:
		return identity{}, Policy{}, &refusal{code: 700016}
	case who.disabled:
		return identity{}, Policy{}, &refusal{code: 7000112}
	}
	return identity{credentials: slices.Clone(who.credentials)}, home.policy, nil
}

// unknownTenant refuses a tenant that is not registered. The caller holds the lock.
func (s *Server) unknownTenant(tenantID string) *refusal {
	switch {
	case s.directory[strings.ToLower(tenantID)] != nil:
		return nil
	case !tenantForm.MatchString(tenantID):
		return &refusal{code: 900023}
	}
	return &refusal{code: 90002}
}

// checkConfiguration refuses to tell the configuration of a tenant that is not there, as Entra does
// (kubernetes-sigs/external-dns#4418).
func (s *Server) checkConfiguration(c *call) *refusal {
	if !s.strict() || slices.Contains(tenantless, strings.ToLower(c.TenantID)) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unknownTenant(c.TenantID)
}

// tenantless are the names that stand for no tenant in particular. They have a configuration, but no applications.
var tenantless = []string{"common", "organizations", "consumers"}
