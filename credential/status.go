package credential

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/entrafed/entrafed/cache"
	"github.com/entrafed/entrafed/exchange"
)

// KeyStatus is the state of one cache key: an identity or an agent or user derived from it, a
// tenant, scopes, and whether the token is for continuous access evaluation. It holds no secret and
// marshals to JSON.
type KeyStatus struct {
	ClientID string `json:"clientID"`
	Subject  string `json:"subject,omitempty"` // in a [Pool]
	Agent    string `json:"agent,omitempty"`   // client ID of the agent identity that signs in
	// FMIPath is the client ID of the agent identity that the blueprint's token is for.
	FMIPath string `json:"fmiPath,omitempty"`
	// User is set if the token is for a user: on behalf of one, or for an agent's user account.
	User     bool     `json:"user,omitempty"`
	Grant    string   `json:"grant"`    // OAuth's grant_type
	TenantID string   `json:"tenantID"` // in lower case
	Scopes   []string `json:"scopes"`

	// EnableCAE is set if the token is for continuous access evaluation, as in [ExchangeEvent].
	EnableCAE bool `json:"cae"`

	// CAE is EnableCAE.
	//
	// Deprecated: use EnableCAE.
	CAE bool `json:"-"`

	ExpiresOn time.Time `json:"expiresOn,omitzero"` // zero without a token
	RefreshOn time.Time `json:"refreshOn,omitzero"`

	InFlight bool   `json:"inFlight"`        // an exchange is under way
	Doing    string `json:"doing,omitempty"` // what that exchange is doing

	// Since the last success; empty if there was none.
	LastError   string    `json:"lastError,omitempty"`
	Code        string    `json:"code,omitempty"`       // OAuth error code of LastError
	EntraCodes  []int     `json:"entraCodes,omitempty"` // AADSTS codes of LastError
	FailedAt    time.Time `json:"failedAt,omitzero"`    // when LastError happened
	NextAttempt time.Time `json:"nextAttempt,omitzero"` // earliest time; zero if nothing delays it
}

// Ready reports whether there is a valid token.
func (s KeyStatus) Ready() bool { return time.Now().Before(s.ExpiresOn) }

// Status returns the state of this credential's cached keys, ordered by tenant and scopes, for
// readiness probes and debugging pages. For an agent it includes the tokens that the agent
// presents. It sends nothing.
func (c *Credential) Status() []KeyStatus {
	p := c.identity.Value()
	own := []identity{c.identity}
	if p.agent != "" {
		own = append(own, p.blueprint())
	}
	if p.username != "" {
		own = append(own, p.account())
	}
	keys := c.core.cache.StatusOf(p.Identity)
	return c.core.status(slices.DeleteFunc(keys, func(s cache.Status[key]) bool { return !slices.Contains(own, s.Key.identity) }))
}

func (c *core) status(keys []cache.Status[key]) []KeyStatus {
	all := []KeyStatus{}
	for _, s := range keys {
		n := c.names(s.Key)
		k := KeyStatus{
			ClientID: n.client, Subject: n.subject, Agent: n.agent, FMIPath: n.fmiPath, User: n.user, Grant: n.grant,
			TenantID: n.tenant, Scopes: n.scopes, EnableCAE: s.Key.cae, CAE: s.Key.cae,
			ExpiresOn: s.ExpiresOn, RefreshOn: s.RefreshOn, InFlight: s.InFlight, Doing: s.Doing,
			FailedAt: s.FailedAt.Round(0), NextAttempt: s.NextAttempt.Round(0),
		}
		if s.LastError != nil {
			k.LastError = s.LastError.Error()
			if e, ok := errors.AsType[*exchange.Error](s.LastError); ok {
				k.Code, k.EntraCodes = e.Code, slices.Clone(e.EntraCodes)
			}
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b KeyStatus) int {
		return cmp.Or(cmp.Compare(a.TenantID, b.TenantID), cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Subject, b.Subject),
			cmp.Compare(a.FMIPath, b.FMIPath), cmp.Compare(a.Agent, b.Agent), cmp.Compare(order(a.User), order(b.User)),
			slices.Compare(a.Scopes, b.Scopes), cmp.Compare(order(a.EnableCAE), order(b.EnableCAE)))
	})
	return all
}

func order(b bool) int {
	if b {
		return 1
	}
	return 0
}
