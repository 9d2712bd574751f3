package credential

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/entrafed/entrafed/exchange"
)

// KeyStatus is what a credential knows of one key: a tenant, scopes, and whether for continuous access evaluation. It holds no
// secret and marshals to JSON.
type KeyStatus struct {
	TenantID string   `json:"tenantID"` // in lower case
	Scopes   []string `json:"scopes"`
	CAE      bool     `json:"cae"`

	ExpiresOn time.Time `json:"expiresOn,omitzero"` // zero: no token was had yet, or it was invalidated
	RefreshOn time.Time `json:"refreshOn,omitzero"`

	InFlight bool   `json:"inFlight"`        // an exchange is under way
	Doing    string `json:"doing,omitempty"` // what it is doing

	LastError   string    `json:"lastError,omitempty"`  // the last one since the last success; empty if there was none
	Code        string    `json:"code,omitempty"`       // OAuth error in it, such as "invalid_client"
	EntraCodes  []int     `json:"entraCodes,omitempty"` // AADSTS codes in it
	FailedAt    time.Time `json:"failedAt,omitzero"`    // when that was
	NextAttempt time.Time `json:"nextAttempt,omitzero"` // not before; zero if nothing holds it back
}

// Ready tells whether there is a valid token.
func (s KeyStatus) Ready() bool { return time.Now().Before(s.ExpiresOn) }

// Status returns the state of every cached key, ordered by tenant and scopes: for readiness probes and debugging pages. It
// sends nothing.
func (c *Credential) Status() []KeyStatus {
	all := []KeyStatus{}
	for _, s := range c.cache.Status() {
		tenant, scopes := c.shown(s.Key)
		k := KeyStatus{
			TenantID: tenant, Scopes: scopes, CAE: s.Key.cae,
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
		return cmp.Or(cmp.Compare(a.TenantID, b.TenantID), slices.Compare(a.Scopes, b.Scopes), cmp.Compare(order(a.CAE), order(b.CAE)))
	})
	return all
}

func order(b bool) int {
	if b {
		return 1
	}
	return 0
}
