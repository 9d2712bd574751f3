package setups

import (
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/webhook"
)

var serviceAccounts = []Setup{
	{
		Name: "service-account-default", About: "the pod template has no serviceAccountName, so the pod runs as default", Code: 700213,
		Words: []string{"service account default", "if another service account of this namespace is registered, set it as serviceAccountName in the pod template", `subject "system:serviceaccount:shop:default"`},
		Break: mounted(func(r *entratest.TokenRequest) { r.ServiceAccount = "default" }),
	},
	{
		Name: "token-for-kubernetes", About: "the token is the one that every pod has for Kubernetes itself", Code: 700212,
		Words: []string{
			"the pod's token for the Kubernetes API (audience ", "AZURE_FEDERATED_TOKEN_FILE",
			"serviceAccountToken volume with the audience api://AzureADTokenExchange",
		},
		Break: mounted(func(r *entratest.TokenRequest) {
			r.Audiences = []string{"https://kubernetes.default.svc.cluster.local"}
		}),
	},
	{
		Name: "token-for-the-issuer", About: "the token's audience is the cluster's issuer, as if none had been requested", Code: 700212,
		Words: []string{"the pod's token for the Kubernetes API (audience ", "AZURE_FEDERATED_TOKEN_FILE"},
		Break: mounted(func(r *entratest.TokenRequest) { r.Audiences = []string{entratest.DefaultIssuer} }),
	},
	{
		Name: "token-for-identity-binding", About: "the token is for an AKS identity binding, which this pod does not have", Code: 700212,
		Words: []string{"token's audience is " + bindingURI, "project a token for api://AzureADTokenExchange"},
		Break: mounted(func(r *entratest.TokenRequest) { r.Audiences = []string{bindingURI} }),
	},
	{
		Name: "token-for-another-cloud", About: "the token's audience is Azure Government's", Code: 700212,
		Words: []string{`audience belongs to Azure Government, but the authority "login.microsoftonline.com" belongs to the public cloud`, "present a token for " + exchangeURI},
		Break: mounted(func(r *entratest.TokenRequest) { r.Audiences = []string{exchangeURI + "USGov"} }),
	},
	{
		Name: "managed-identity-with-own-audience", About: "a managed identity's token has a custom audience", Code: 700227,
		Words: []string{`the audience "api://mine", which is not allowed`, "ask the managed identity for " + exchangeURI},
		Break: both(registered(func(f *entratest.FederatedCredential) {
			fromEntra(objectID)(f)
			f.Audiences = []string{"api://mine"}
		}), claimed(func(c jwt.MapClaims) {
			managedIdentity(c)
			c["aud"] = "api://mine"
		})),
	},
	{
		Name: "token-lives-too-long", About: "the projected volume requests a token for thirty hours", Code: 70023,
		Words: []string{"lifetime is 30h0m0s", "the maximum is 25 h", webhook.AnnotationExpiration},
		Break: mounted(func(r *entratest.TokenRequest) { r.Lifetime = 30 * time.Hour }),
	},
	{
		Name: "token-without-iat", About: "the issuer does not say when it issued the token", Code: 70023,
		Words: []string{"no iat", "lifetime"},
		Break: claimed(func(c jwt.MapClaims) { delete(c, "iat") }),
	},
	{
		Name: "token-without-exp", About: "the token never expires", Code: 70023,
		Words: []string{"no exp", "lifetime is unlimited"},
		Break: claimed(func(c jwt.MapClaims) { delete(c, "exp") }),
	},
	{
		Name: "token-not-yet-valid", About: "the clock of the token's issuer is ahead", Code: 700024,
		Words: []string{"federated token is not valid before ", "issuer's clock is ahead", "NTP"},
		Break: claimed(func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(20 * time.Minute).Unix() }),
	},
}
