package entratest

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Entra's limits
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations).
const (
	maxCredentials = 20  // per identity
	maxCharacters  = 600 // in an issuer or a subject
)

// exchangeAudience is the default audience of a federated credential.
const exchangeAudience = "api://AzureADTokenExchange"

// FederatedCredential is a federated identity credential of an application or a managed identity.
// An assertion with this issuer, subject and audience signs in as that identity. Entra compares all
// three exactly: case and the issuer's trailing slash matter, and there are no wildcards.
type FederatedCredential struct {
	TenantID string // required; a GUID or a domain, which maps to a fixed GUID
	ClientID string // required; the application (client) ID; case does not matter
	Name     string // optional here; in Entra's form and unique for the identity

	Issuer  string // required except for TrustCluster; an https URL of at most 600 characters
	Subject string // required; at most 600 characters: "system:serviceaccount:shop:checkout"

	// Audiences is a list as in Entra's API, which accepts exactly one audience. Empty means
	// "api://AzureADTokenExchange".
	Audiences []string
}

// validate reports everything that is wrong, in one error.
func (f FederatedCredential) validate() error {
	return joinErrors(
		validateIdentity(f.TenantID, f.ClientID),
		validateName(f.Name),
		validateIssuer(f.Issuer),
		validateLength("Subject", f.Subject),
		validateAudiences(f.Audiences),
	)
}

func validateIdentity(tenantID, clientID string) error {
	return joinErrors(validateLength("TenantID", tenantID), validateLength("ClientID", clientID))
}

// joinErrors joins errors on one line.
func joinErrors(errs ...error) error {
	if joined := errors.Join(errs...); joined != nil {
		return errors.New(strings.ReplaceAll(joined.Error(), "\n", "; "))
	}
	return nil
}

// nameForm is the form that Entra requires of a name
// (https://learn.microsoft.com/graph/api/resources/federatedidentitycredential).
var nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$`)

func validateName(name string) error {
	if name != "" && !nameForm.MatchString(name) {
		return fmt.Errorf("the Name %q does not have the form %s", name, nameForm)
	}
	return nil
}

func validateIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("the Issuer %q is not an https URL", issuer)
	}
	return validateLength("Issuer", issuer)
}

func validateLength(field, value string) error {
	switch n := utf8.RuneCountInString(value); {
	case n == 0:
		return fmt.Errorf("%s is empty", field)
	case n > maxCharacters:
		return fmt.Errorf("%s has %d characters; at most %d are allowed", field, n, maxCharacters)
	}
	return nil
}

func validateAudiences(audiences []string) error {
	if len(audiences) != 1 {
		return fmt.Errorf("there are %d Audiences; a federated credential has exactly one", len(audiences))
	}
	return validateLength("the audience", audiences[0])
}

// withDefaults returns a deep copy with the default audience filled in.
func (f FederatedCredential) withDefaults() FederatedCredential {
	f.Audiences = slices.Clone(f.Audiences)
	if len(f.Audiences) == 0 {
		f.Audiences = []string{exchangeAudience}
	}
	return f
}

// String identifies the credential in an error: by its Name or else its Subject, with client and
// tenant.
func (f FederatedCredential) String() string {
	return fmt.Sprintf("federated credential %q of client %q in tenant %q", cmp.Or(f.Name, f.Subject), f.ClientID, f.TenantID)
}

// identity is an application or a managed identity in one tenant.
type identity struct {
	clientID    string // canonical
	disabled    bool
	credentials []trusted

	blueprint string // canonical client ID of an agent's blueprint; empty if it is not an agent
	username  string // of the agent's user account; empty if it has none
}

// trusted is a registered federated credential.
type trusted struct {
	FederatedCredential
	id          string // in Microsoft Graph
	description *string
	since       time.Time // when it takes effect
}

var (
	errSameSubject = errors.New("the identity already has a credential with this issuer and subject")
	errSameName    = errors.New("the identity already has a credential with this name")
)

// conflict reports why an identity cannot have t in addition to its other credentials.
func (i *identity) conflict(t trusted) error {
	others := keep(i.credentials, func(other trusted) bool { return other.id != t.id })
	for _, other := range others {
		if other.Issuer == t.Issuer && other.Subject == t.Subject {
			return errSameSubject
		}
		if t.Name != "" && other.Name == t.Name {
			return errSameName
		}
	}
	if len(others) >= maxCredentials {
		return fmt.Errorf("the identity already has %d federated credentials, the maximum", maxCredentials)
	}
	return nil
}

// match reports whether a credential matches the assertion. The refusal names the first of issuer,
// subject and audience that no credential has.
func (i *identity) match(a *assertion, now time.Time) *refusal {
	known := keep(i.credentials, func(t trusted) bool { return !now.Before(t.since) })
	ofIssuer := keep(known, func(t trusted) bool { return t.Issuer == a.issuer })
	ofSubject := keep(ofIssuer, func(t trusted) bool { return t.Subject == a.subject })
	switch {
	case len(ofIssuer) == 0 && issuedByEntra(a.issuer):
		return &refusal{code: 700222}
	case len(known) == 0:
		return &refusal{code: 70025}
	case len(ofIssuer) == 0:
		return &refusal{code: 700211}
	case len(ofSubject) == 0 && slices.ContainsFunc(ofIssuer, func(t trusted) bool { return strings.EqualFold(t.Subject, a.subject) }):
		return &refusal{code: 7002138}
	case len(ofSubject) == 0:
		return &refusal{code: 700213}
	case !slices.ContainsFunc(ofSubject, func(t trusted) bool { return a.isFor(t.Audiences[0]) }):
		return &refusal{code: 700212}
	}
	return nil
}

func keep(all []trusted, wanted func(trusted) bool) []trusted {
	return slices.DeleteFunc(slices.Clone(all), func(t trusted) bool { return !wanted(t) })
}

// issuedByEntra reports whether an issuer is Entra itself, in one of its clouds.
func issuedByEntra(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	_, known := knownCloud(strings.ToLower(u.Hostname()))
	return known
}
