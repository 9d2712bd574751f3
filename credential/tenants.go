package credential

import (
	"fmt"
	"strings"
	"sync"
	"unique"

	"github.com/entrafed/entrafed/exchange"
)

// tenantKey is a tenant's name in lower case, interned: half of a cache key's bytes that a hit need not hash.
type tenantKey = unique.Handle[string]

// tenants decides which tenant a request is for. Tenants compare without case: keys hold them in lower case, and requests
// are sent with the spelling that was given.
type tenants struct {
	home    tenant
	allowed []tenant
	any     bool

	spellings *spellings
}

type tenant struct {
	key      tenantKey
	spelling string
}

func newTenant(id string) tenant {
	return tenant{key: unique.Make(strings.ToLower(id)), spelling: id}
}

func newTenants(home string, allowed []string, errs *problems) tenants {
	t := tenants{home: newTenant(home), spellings: &spellings{}}
	for i, id := range allowed {
		id = strings.TrimSpace(id)
		switch {
		case id == "": // what splitting an empty variable yields
		case id == "*":
			t.any = true
		case exchange.ValidTenantID(id):
			t.allowed = append(t.allowed, newTenant(id))
		default:
			errs.addf(`Options.AdditionallyAllowedTenants[%d] is %q: a tenant is a GUID or a domain name, and "*" means any`, i, id)
		}
	}
	return t
}

// resolve returns the key of the tenant asked for, or why it may not be.
func (t *tenants) resolve(asked string) (tenantKey, error) {
	if asked == "" || strings.EqualFold(asked, t.home.spelling) {
		return t.home.key, nil
	}
	for _, allowed := range t.allowed {
		if strings.EqualFold(asked, allowed.spelling) {
			return allowed.key, nil
		}
	}
	if !exchange.ValidTenantID(asked) {
		return tenantKey{}, fmt.Errorf("TenantID %q is not a tenant's GUID or domain name", asked)
	}
	if !t.any {
		return tenantKey{}, fmt.Errorf(`tenant %q is not allowed: add it to Options.AdditionallyAllowedTenants, or "*" for any tenant`, asked)
	}
	other := newTenant(asked)
	if other.key.Value() != asked {
		t.spellings.note(other)
	}
	return other.key, nil
}

// spelling returns how a tenant is written in a request.
func (t *tenants) spelling(key tenantKey) string {
	if key == t.home.key {
		return t.home.spelling
	}
	for _, allowed := range t.allowed {
		if key == allowed.key {
			return allowed.spelling
		}
	}
	return t.spellings.of(key)
}

// spellings remembers how tenants that "*" allows were written, where that was not in lower case. It forgets when there are
// many: Entra ID takes a tenant in lower case, too.
type spellings struct {
	mu    sync.Mutex
	byKey map[tenantKey]string
}

const maxSpellings = 1000

func (s *spellings) note(t tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byKey[t.key]; ok {
		return
	}
	if s.byKey == nil || len(s.byKey) >= maxSpellings {
		s.byKey = make(map[tenantKey]string)
	}
	s.byKey[t.key] = t.spelling
}

func (s *spellings) of(key tenantKey) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spelling, ok := s.byKey[key]; ok {
		return spelling
	}
	return key.Value()
}
