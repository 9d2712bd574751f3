package credential

import (
	"fmt"
	"strings"
	"unique"

	"github.com/entrafed/entrafed/internal/guid"
	"github.com/entrafed/entrafed/internal/problems"
)

// Identity is the identity that a credential of a [Pool] signs in as.
type Identity struct {
	// TenantID is the GUID or domain name of the identity's tenant. Required.
	TenantID string

	// ClientID is the application (client) ID of the managed identity or app registration.
	// Required.
	ClientID string

	// Subject is the subject of the federated token, such as "system:serviceaccount:shop:checkout".
	// Required. A pool never presents a token with another subject, and keeps the tokens of
	// different subjects apart.
	Subject string
}

// principal is who a token is for: an identity, or an agent or user derived from one.
type principal struct {
	Identity
	derivation
}

// String names the principal for messages.
func (p principal) String() string { return p.derivation.String() + p.Identity.String() }

// identity is a principal as part of a cache key. It is interned, so comparison is by pointer and
// unused ones are freed.
type identity = unique.Handle[principal]

// check adds the identity's problems to errs. The names are the user's names for its fields.
func (id Identity) check(errs *problems.List, tenantName, clientName string) {
	client := meant(errs, clientName, id.ClientID, "the client ID, a GUID")
	if strings.HasPrefix(strings.ToLower(client), "/subscriptions/") {
		errs.Addf("%s is an ARM resource ID, %q: set the client ID of that identity, a GUID (az identity show --ids %[2]s --query clientId)", clientName, client)
	}
	tenant := meant(errs, tenantName, id.TenantID, "the tenant's ID, a GUID")
	if tenant != "" && !guid.OrDomain(tenant) {
		errs.Addf("%s is %q, which is neither a GUID nor a domain name: set it to what az account show --query tenantId prints", tenantName, tenant)
	}
}

// String names the identity for messages.
func (id Identity) String() string {
	s := fmt.Sprintf("client ID %q in tenant %q", clean(id.ClientID), clean(id.TenantID))
	if id.Subject != "" {
		s += fmt.Sprintf(" with subject %q", clean(id.Subject))
	}
	return s
}
