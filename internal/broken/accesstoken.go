package broken

var accessTokens = []Setup{
	{
		Name: "scope-without-default", About: "the scope is the resource, without /.default", Code: 1002012,
		Words: []string{`scope "https://vault.azure.net" lacks /.default`, `as in "https://vault.azure.net/.default"`},
		Break: asking(vaultURI),
	},
	{
		Name: "scope-is-permission", About: "the scope is a single permission, as a user grants it", Code: 1002012,
		Words: []string{`"https://graph.microsoft.com/User.Read" lacks /.default`},
		Break: asking("https://graph.microsoft.com/User.Read"),
	},
	{
		Name: "scope-encoded", About: "the scope was encoded for a URL already", Code: 500011,
		Words: []string{"encoded for a URL already", "give the scope as it is"},
		Break: asking("https%3A%2F%2Fvault.azure.net/.default"),
	},
	{
		Name: "resource-unknown", About: "the scope's resource is misspelled", Code: 500011,
		Words: []string{`no resource of the scope "https://typo.azure.net/.default"`, "application ID URI"},
		Break: asking("https://typo.azure.net/.default"),
	},
	{
		Name: "scope-is-own-vault", About: "the scope is one key vault's address, not the service's", Code: 500011,
		Words: []string{"a key vault's own address", "ask for https://vault.azure.net/.default"},
		Break: asking("https://" + vaultHost + "/.default"),
	},
	{
		Name: "resource-of-another-cloud", About: "the scope is a resource of Azure China", Code: 500011,
		Words: []string{"is of Azure China, but the authority", "https://login.partner.microsoftonline.cn"},
		Break: asking("https://vault.azure.cn/.default"),
	},
	{
		Name: "two-resources", About: "the scope names two resources at once", Code: 700022,
		Words: []string{"the scope", "several resources", "GetToken once for each"},
		Break: asking(vaultURI + "/.default " + storageURI + "/.default"),
	},
}
