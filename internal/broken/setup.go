package broken

import "slices"

// The links of the chain that a [Setup] is at fault in, in their order.
const (
	Environment         = "environment"
	TokenFile           = "token file"
	ServiceAccount      = "service account"
	OIDCIssuer          = "OIDC issuer"
	FederatedCredential = "federated credential"
	AccessToken         = "access token"
	Resource            = "resource"
)

// Links returns the links of the chain, in their order.
func Links() []string {
	return []string{Environment, TokenFile, ServiceAccount, OIDCIssuer, FederatedCredential, AccessToken, Resource}
}

// Setup is a right setup with one thing broken.
type Setup struct {
	Name  string   // for a command line, as "issuer-without-slash"
	About string   // what somebody did wrong, in one short line
	Link  string   // that is at fault, one of Links
	Code  int      // AADSTS; 0 if Entra ID was not asked, or said none
	Words []string // what the error of credential.New or GetToken holds, Entra ID's own sentences aside; none for the resource, which comes after

	// Transient is set where nothing is misconfigured and the fault may pass by itself.
	Transient bool

	// Break breaks a pod of NewPod, before or after it was used, but not meanwhile.
	Break func(*Pod) error
}

// Setups returns all of them, always in the same order, by link.
func Setups() []Setup {
	return slices.Concat(
		of(Environment, environments), of(TokenFile, tokenFiles), of(ServiceAccount, serviceAccounts), of(OIDCIssuer, issuers),
		of(FederatedCredential, federatedCredentials), of(AccessToken, accessTokens), of(Resource, resources),
	)
}

// Of returns the setup with the name, and whether there is one.
func Of(name string) (Setup, bool) {
	all := Setups()
	i := slices.IndexFunc(all, func(s Setup) bool { return s.Name == name })
	if i < 0 {
		return Setup{}, false
	}
	return all[i], true
}

// of returns a copy of the setups, with the link that they are at fault in.
func of(link string, setups []Setup) []Setup {
	setups = slices.Clone(setups)
	for i := range setups {
		setups[i].Link = link
	}
	return setups
}

// without unsets variables.
func without(names ...string) func(*Pod) error {
	return func(p *Pod) error {
		for _, name := range names {
			delete(p.Env, name)
		}
		return nil
	}
}

// with sets a variable.
func with(name, value string) func(*Pod) error {
	return func(p *Pod) error {
		p.Env[name] = value
		return nil
	}
}

// asking asks for another scope.
func asking(scope string) func(*Pod) error {
	return func(p *Pod) error {
		p.Scope = scope
		return nil
	}
}
