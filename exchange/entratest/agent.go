package entratest

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// exchangeAppID is the aud of a v2.0 token for [exchangeAudience]: the application ID of Entra's
// token exchange endpoint. All recorded tokens of agent blueprints and managed identities have it.
// A federated credential names the URI all the same.
const exchangeAppID = "fb60f99c-7a34-4190-8149-302f77469936"

// Agent is an agent identity of Microsoft Entra Agent ID. It has no credentials. Its blueprint, an
// application with a federated credential, requests a token for the agent (fmi_path), and the agent
// signs in with that token as its assertion.
type Agent struct {
	TenantID    string // required
	BlueprintID string // required; the client ID of the agent identity blueprint
	ClientID    string // required; the client ID of the agent identity
	Username    string // the agent's user account (grant user_fic); empty if it has none
}

// String identifies the agent in an error.
func (a Agent) String() string {
	return fmt.Sprintf("agent %q of blueprint %q in tenant %q", a.ClientID, a.BlueprintID, a.TenantID)
}

// AddAgent registers an agent identity together with its tenant and blueprint, and makes the server
// strict. The blueprint needs a federated credential, like any application (see [Server.Trust]).
// AddAgent fails if a required field is missing, or if the client ID or user account is taken.
func (s *Server) AddAgent(agent Agent) error {
	err := joinErrors(validateIdentity(agent.TenantID, agent.ClientID), validateLength("BlueprintID", agent.BlueprintID))
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.addAgent(agent)
	}
	if err != nil {
		return fmt.Errorf("entratest: %v: %w", agent, err)
	}
	return nil
}

func (s *Server) addAgent(agent Agent) error {
	if s.find(agent.TenantID, agent.ClientID) != nil {
		return errors.New("the client ID is already registered")
	}
	if s.owner(agent.TenantID, agent.Username) != nil {
		return fmt.Errorf("the user account %q belongs to another agent", agent.Username)
	}
	blueprint := s.findOrRegister(agent.TenantID, agent.BlueprintID)
	who := s.register(agent.TenantID, agent.ClientID)
	who.blueprint, who.username = blueprint.clientID, agent.Username
	return nil
}

// owner returns the agent that a user account belongs to, or nil. account is the account's name or
// object ID. The caller holds the lock.
func (s *Server) owner(tenantID, account string) *identity {
	home := s.directory[tenantGUID(tenantID)]
	if home == nil || account == "" {
		return nil
	}
	for _, who := range home.identities {
		if who.username != "" && (strings.EqualFold(who.username, account) || userID(tenantGUID(tenantID), who.username) == strings.ToLower(account)) {
			return who
		}
	}
	return nil
}

// fmiSubject returns the subject of a blueprint's token for a path, as in recorded tokens:
// "/eid1/c/pub/t/{tenant}/a/{blueprint}/{path}", with the bytes of the GUIDs in base64url.
func fmiSubject(tenant, blueprint, path string) string {
	return "/eid1/c/pub/t/" + encodeGUID(tenant) + "/a/" + encodeGUID(blueprint) + "/" + path
}

// encodeGUID encodes the bytes in .NET's order: the first three groups start with their lowest
// byte. An ID that is not a GUID is mapped to one.
func encodeGUID(id string) string {
	if !guidForm.MatchString(id) {
		id = guidOf("client", id)
	}
	b, _ := hex.DecodeString(strings.ReplaceAll(id, "-", "")) // cannot fail: id is a GUID
	slices.Reverse(b[:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return base64.RawURLEncoding.EncodeToString(b)
}

// checkBlueprintToken judges an agent's assertion, which must be its blueprint's token for the
// agent. Entra does not document the codes for these refusals, but 7002137 has been seen
// (microsoft/Agents#202).
func (s *Server) checkBlueprintToken(c *call, blueprint string) *refusal {
	a := c.assertion
	switch {
	case !issuedByEntra(a.issuer):
		return &refusal{code: 70025} // an agent has no federated credentials
	case !s.issued(a):
		return &refusal{code: 7000274}
	case a.subject != fmiSubject(c.tenant, blueprint, c.client):
		return &refusal{code: 7002137}
	case !a.isForExchange():
		return &refusal{code: 700212}
	}
	return a.checkExpiry(c.now)
}

// checkAgentUser judges the grant user_fic: the agent's token for its user account, and the
// account. Entra documents none of the codes except that for an unknown user.
func (s *Server) checkAgentUser(c *call) *refusal {
	a, err := parseAssertion(c.Form.Get("user_federated_identity_credential"))
	if err != nil {
		return &refusal{code: 50027}
	}
	account := c.account()
	c.user = &user{name: account, agent: true}
	if !s.strict() {
		return a.checkUserExpiry(c.now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := s.owner(c.TenantID, account)
	switch {
	case !s.issued(a):
		return &refusal{code: 50013, about: a}
	case a.client != c.client || !a.isForExchange():
		return &refusal{code: 7002137, about: a}
	case owner == nil:
		return &refusal{code: 50034, name: account}
	case owner.clientID != c.client:
		return &refusal{code: 7002137, about: a}
	}
	c.user.name = owner.username
	return a.checkUserExpiry(c.now)
}

// account returns the agent's user account that the request names.
func (c *call) account() string { return cmp.Or(c.Form.Get("username"), c.Form.Get("user_id")) }
