package setups

import "slices"

// The links of the chain, in order. Each [Setup] breaks one of them.
const (
	Environment         = "environment"
	TokenFile           = "token file"
	ServiceAccount      = "service account"
	OIDCIssuer          = "OIDC issuer"
	FederatedCredential = "federated credential"
	AccessToken         = "access token"
	Resource            = "resource"
)

// Links returns the links of the chain, in order.
func Links() []string {
	return []string{Environment, TokenFile, ServiceAccount, OIDCIssuer, FederatedCredential, AccessToken, Resource}
}

// Setup is a correct setup with one thing broken.
type Setup struct {
	Name  string   // for a command line, such as "issuer-without-slash"
	About string   // the mistake, in one short line
	Link  string   // the broken one of Links
	Code  int      // AADSTS code; 0 if Entra ID was not asked or returned none
	Words []string // in our part of the error of credential.New or GetToken; none for the resource

	// Transient is set if nothing is misconfigured and the fault may pass on its own.
	Transient bool

	// Break breaks a pod of NewPod. Call it before or after the pod is in use, but not during.
	Break func(*Pod) error
}

// Setups returns all setups in a fixed order, by link.
func Setups() []Setup {
	return slices.Concat(
		of(Environment, environments), of(TokenFile, tokenFiles), of(ServiceAccount, serviceAccounts), of(OIDCIssuer, issuers),
		of(FederatedCredential, federatedCredentials), of(AccessToken, accessTokens), of(Resource, resources),
	)
}

// Of returns the setup with the name, and whether it exists.
func Of(name string) (Setup, bool) {
	all := Setups()
	i := slices.IndexFunc(all, func(s Setup) bool { return s.Name == name })
	if i < 0 {
		return Setup{}, false
	}
	return all[i], true
}

// of returns a copy of the setups with their link set.
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

// asking requests another scope.
func asking(scope string) func(*Pod) error {
	return func(p *Pod) error {
		p.Scope = scope
		return nil
	}
}
