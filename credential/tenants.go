package credential

import (
	"fmt"
	"strings"
	"sync"
	"unique"

	"github.com/entrafed/entrafed/internal/guid"
	"github.com/entrafed/entrafed/internal/problems"
)

// tenantKey is a tenant's name in lower case. It is interned, which halves the bytes that a hit
// must hash.
type tenantKey = unique.Handle[string]

// allowed decides which tenants a request may name besides the identity's own. Tenants compare
// without regard to case: keys hold them in lower case, and requests use the caller's spelling.
type allowed struct {
	option  string // the user's name for the list
	tenants []tenant
	any     bool

	spellings spellings
}

type tenant struct {
	key      tenantKey
	spelling string
}

func newTenant(id string) tenant {
	return tenant{key: unique.Make(strings.ToLower(id)), spelling: id}
}

// newAllowed adds a problem to errs for each ID that is not a tenant. option names the list.
func newAllowed(option string, ids []string, errs *problems.List) *allowed {
	a := &allowed{option: option}
	for i, id := range ids {
		id = strings.TrimSpace(id)
		name := fmt.Sprintf("%s[%d]", option, i)
		switch id = meant(errs, name, id, "a tenant's ID, a GUID"); {
		case id == "": // splitting an empty variable yields ""
		case id == "*":
			a.any = true
		case guid.OrDomain(id):
			a.tenants = append(a.tenants, newTenant(id))
		default:
			errs.Addf(`%s is %q: a tenant is a GUID or a domain name, and "*" means any`, name, id)
		}
	}
	return a
}

// resolve returns the key of the requested tenant, or an error if it is not allowed.
func (a *allowed) resolve(home tenant, asked string) (tenantKey, error) {
	if strings.EqualFold(asked, home.spelling) {
		return home.key, nil
	}
	for _, t := range a.tenants {
		if strings.EqualFold(asked, t.spelling) {
			return t.key, nil
		}
	}
	if !guid.OrDomain(asked) {
		return tenantKey{}, fmt.Errorf("TenantID %q is not a tenant's GUID or domain name", clean(asked))
	}
	if !a.any {
		return tenantKey{}, fmt.Errorf(`tenant %q is not allowed: add it to %s, or "*" for any tenant`, clean(asked), a.option)
	}
	other := newTenant(asked)
	if other.key.Value() != asked {
		a.spellings.note(other)
	}
	return other.key, nil
}

// spelling returns an allowed tenant as requests spell it.
func (a *allowed) spelling(key tenantKey) string {
	for _, t := range a.tenants {
		if key == t.key {
			return t.spelling
		}
	}
	return a.spellings.of(key)
}

// spellings remembers the spelling of tenants that "*" allows, if it is not in lower case. It
// forgets all of them when there are many: Entra ID accepts lower case too.
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
