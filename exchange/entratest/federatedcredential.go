package entratest

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Entra's limits (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations).
const (
	maxCredentials = 20  // per identity
	maxCharacters  = 600 // of an issuer and of a subject
)

// exchangeAudience is what a federated credential expects unless it says otherwise.
const exchangeAudience = "api://AzureADTokenExchange"

// FederatedCredential is a federated identity credential of an application or a managed identity: the assertions with this
// issuer, subject and audience sign in as it. Entra compares all three exactly. Case counts, and so does a slash at the end
// of an issuer; there are no wildcards.
type FederatedCredential struct {
	TenantID string // required; a request names the tenant just so, in any case
	ClientID string // required; the application's (client) ID, in any case
	Name     string // optional here; two credentials of one identity cannot have the same

	Issuer  string // an https URL of at most 600 characters; only TrustCluster fills it in
	Subject string // required; at most 600 characters, as "system:serviceaccount:shop:checkout"

	// Audiences is a list, as in Entra's API, which takes just one. None is "api://AzureADTokenExchange".
	Audiences []string
}

// validate reports everything that is wrong at once.
func (f FederatedCredential) validate() error {
	return together(
		validateIdentity(f.TenantID, f.ClientID),
		validateIssuer(f.Issuer),
		validateLength("Subject", f.Subject),
		validateAudiences(f.Audiences),
	)
}

func validateIdentity(tenantID, clientID string) error {
	return together(validateLength("TenantID", tenantID), validateLength("ClientID", clientID))
}

// together joins errors on one line.
func together(errs ...error) error {
	if joined := errors.Join(errs...); joined != nil {
		return errors.New(strings.ReplaceAll(joined.Error(), "\n", "; "))
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
		return fmt.Errorf("%s has %d characters, but may have %d", field, n, maxCharacters)
	}
	return nil
}

func validateAudiences(audiences []string) error {
	if len(audiences) != 1 {
		return fmt.Errorf("there are %d Audiences, but a federated credential has exactly one", len(audiences))
	}
	return validateLength("the audience", audiences[0])
}

// withDefaults returns a copy that shares nothing with the caller's.
func (f FederatedCredential) withDefaults() FederatedCredential {
	f.Audiences = slices.Clone(f.Audiences)
	if len(f.Audiences) == 0 {
		f.Audiences = []string{exchangeAudience}
	}
	return f
}

// String names a credential for an error: by its Name, else its subject, with client and tenant.
func (f FederatedCredential) String() string {
	return fmt.Sprintf("federated credential %q of client %q in tenant %q", cmp.Or(f.Name, f.Subject), f.ClientID, f.TenantID)
}

// identity is an application or a managed identity in one tenant.
type identity struct {
	disabled    bool
	credentials []trusted
}

// trusted is a federated credential, and since when Entra knows it.
type trusted struct {
	FederatedCredential
	since time.Time
}

// conflict says why an identity cannot have f besides the credentials that it has.
func (i *identity) conflict(f FederatedCredential) error {
	for _, other := range i.credentials {
		if other.Issuer == f.Issuer && other.Subject == f.Subject {
			return errors.New("another one of the identity has this issuer and subject")
		}
		if f.Name != "" && other.Name == f.Name {
			return errors.New("another one of the identity has this name")
		}
	}
	if len(i.credentials) >= maxCredentials {
		return fmt.Errorf("the identity has %d federated credentials already, and may have no more", maxCredentials)
	}
	return nil
}

// match finds the credential for an assertion. The refusal is for the first of issuer, subject and audience that none has.
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
	case !slices.ContainsFunc(ofSubject, func(t trusted) bool { return slices.Contains(a.audience, t.Audiences[0]) }):
		return &refusal{code: 700212}
	}
	return nil
}

func keep(all []trusted, wanted func(trusted) bool) []trusted {
	return slices.DeleteFunc(slices.Clone(all), func(t trusted) bool { return !wanted(t) })
}

// issuedByEntra tells Entra's own issuers, of its v2.0 and v1.0 tokens.
func issuedByEntra(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == "login.microsoftonline.com" || host == "sts.windows.net"
}
