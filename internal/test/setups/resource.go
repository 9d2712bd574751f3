package setups

var resources = []Setup{
	{
		Name: "token-for-another-resource", About: "the program asks for a token for storage, and calls a key vault with it",
		Break: asking(storageURI + "/.default"),
	},
	{
		Name: "vault-of-another-tenant", About: "the key vault and the identity are in different tenants",
		Break: vaulted(func(v *vault) { v.tenantID = otherTenant }),
	},
	{
		Name: "token-revoked", About: "the identity's tokens were revoked",
		Break: vaulted(func(v *vault) { v.revoked = true }),
	},
	{
		Name: "no-role-assignment", About: "the identity has no role on the key vault",
		Break: vaulted(func(v *vault) { delete(v.roles, clientID) }),
	},
	{
		Name: "vault-firewall", About: "the key vault's firewall does not let the pod's address through",
		Break: vaulted(func(v *vault) { v.firewall = true }),
	},
	{
		Name: "vault-private", About: "the key vault is reachable only through a private endpoint",
		Break: vaulted(func(v *vault) { v.private = true }),
	},
	{
		Name: "no-access-policy", About: "the key vault has access policies instead of roles, and none for the identity",
		Break: vaulted(func(v *vault) { v.policies, v.roles = true, map[string]bool{} }),
	},
	{
		Name: "vault-gone", About: "the key vault does not exist, or exists only on another network",
		Break: func(p *Pod) error {
			delete(p.here, vaultHost)
			return nil
		},
	},
}

func vaulted(change func(*vault)) func(*Pod) error {
	return func(p *Pod) error {
		change(p.vault)
		return nil
	}
}
