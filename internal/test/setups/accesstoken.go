package setups

var accessTokens = []Setup{
	{
		Name: "scope-without-default", About: "the scope is the resource, without /.default", Code: 1002012,
		Words: []string{`scope "https://vault.azure.net" does not end in /.default`, `as in "https://vault.azure.net/.default"`},
		Break: asking(vaultURI),
	},
	{
		Name: "scope-with-default-misspelled", About: "the scope ends in ./default", Code: 1002012,
		Words: []string{`scope "https://vault.azure.net./default" does not end in /.default`, `as in "https://vault.azure.net/.default"`},
		Break: asking(vaultURI + "./default"),
	},
	{
		Name: "scope-with-default-capitalized", About: "the scope ends in /.Default/", Code: 1002012,
		Words: []string{`as in "https://vault.azure.net/.default"`},
		Break: asking(vaultURI + "/.Default/"),
	},
	{
		Name: "scope-is-permission", About: "the scope is a single permission, such as a user grants", Code: 1002012,
		Words: []string{`"https://graph.microsoft.com/User.Read" does not end in /.default`},
		Break: asking("https://graph.microsoft.com/User.Read"),
	},
	{
		Name: "scope-encoded", About: "the scope is already URL-encoded", Code: 500011,
		Words: []string{"already URL-encoded", "pass the scope unencoded"},
		Break: asking("https%3A%2F%2Fvault.azure.net/.default"),
	},
	{
		Name: "resource-unknown", About: "the scope's resource is misspelled", Code: 500011,
		Words: []string{`no resource for the scope "https://typo.azure.net/.default"`, "application ID URI"},
		Break: asking("https://typo.azure.net/.default"),
	},
	{
		Name: "scope-is-own-vault", About: "the scope is one key vault's address, not the service's", Code: 500011,
		Words: []string{"the address of one key vault, not of the service", "ask for https://vault.azure.net/.default"},
		Break: asking("https://" + vaultHost + "/.default"),
	},
	{
		Name: "resource-of-another-cloud", About: "the scope is a resource of Azure China", Code: 500011,
		Words: []string{"belongs to Azure China, but the authority", "in this cloud"},
		Break: asking("https://vault.azure.cn/.default"),
	},
	{
		Name: "two-resources", About: "the scope names two resources at once", Code: 700022,
		Words: []string{"the scope", "several resources", "GetToken once for each"},
		Break: asking(vaultURI + "/.default " + storageURI + "/.default"),
	},
}
