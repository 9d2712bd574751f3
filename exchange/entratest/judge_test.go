package entratest_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const exampleSecret = "not a real key"

// Each row breaks one part of a valid request. source is where the code, status and wording were
// seen. "reference" is Microsoft's list of codes. It has no statuses, so the status is that of
// similar codes.
func TestStrictServerRefusesOneFaultAtATime(t *testing.T) {
	const times = "Current time: 2000-01-01T00:00:00.0000000Z, "
	for name, row := range map[string]struct {
		fault  func(*attempt)
		status int
		oauth  string
		code   int
		text   string
		source string
	}{
		"tenant": {func(a *attempt) { a.tenant = "fabrikam" },
			400, "invalid_tenant", 90002, "Tenant 'fabrikam' not found.", "kubernetes-sigs/external-dns#4418"},
		"tenant, malformed": {func(a *attempt) { a.tenant = "con_toso" },
			400, "invalid_request", 900023, "Specified tenant identifier 'con_toso' is neither a valid DNS name, nor a valid external domain.", "Azure/azure-sdk-for-js#29854"},
		"client": {func(a *attempt) { a.client = "other" },
			400, "unauthorized_client", 700016, "Application with identifier 'other' was not found in the directory 'contoso'.", "MicrosoftDocs/azure-docs#108526"},
		"client without credentials": {func(a *attempt) { a.client = bareClientID },
			401, "invalid_client", 70025, "The client '" + bareClientID + "'(" + bareClientID + ") has no configured federated identity credentials.", "reference"},

		"not a JWT": {func(a *attempt) { a.tamper = func(string) string { return "{}" } },
			400, "invalid_request", 50027, "JWT token is invalid or malformed.", "Azure/kubelogin#413"},
		"unsupported header": {func(a *attempt) { a.header["gty"] = []string{"authorization_code"} },
			400, "invalid_request", 5002726, "Found unsupported token header. Supported headers are: 'typ', 'alg', 'kid', 'x5t', 'x5c'.", "FusionAuth/fusionauth-issues#2886"},
		"access token's type": {func(a *attempt) { a.header["typ"] = "at+jwt" },
			400, "invalid_request", 5002727, "Invalid JWT header type specified. Allowed types: 'JWT','http://openid.net/specs/jwt/1.0'.", "FusionAuth/fusionauth-issues#2886"},
		"algorithm RS384": {func(a *attempt) { a.method = jwt.SigningMethodRS384 },
			400, "invalid_request", 5002738, "Invalid JWT token. 'RS384' is not a supported signature algorithm.", "microsoft-identity-web#3467"},
		"algorithm HS256": {func(a *attempt) { a.method, a.key = jwt.SigningMethodHS256, []byte(exampleSecret) },
			400, "invalid_request", 5002738, "'HS256' is not a supported signature algorithm.", "microsoft-identity-web#3467"},
		"algorithm none": {func(a *attempt) { a.header["alg"] = "none" },
			400, "invalid_request", 5002738, "'none' is not a supported signature algorithm.", "microsoft-identity-web#3467"},
		"issued by Entra": {func(a *attempt) { a.claims["iss"] = "https://login.microsoftonline.com/contoso/v2.0" },
			400, "invalid_request", 700222, "AAD-issued tokens may not be used for federated identity flows.", "MicrosoftDocs/azure-docs#90276"},
		"issued by Entra, v1.0": {func(a *attempt) { a.claims["iss"] = "https://sts.windows.net/contoso/" },
			400, "invalid_request", 700222, "AAD-issued tokens", "Azure/azure-workload-identity#820"},

		"issuer": {func(a *attempt) { a.claims["iss"] = "https://elsewhere.example/" },
			401, "invalid_client", 700211, "No matching federated identity record found for presented assertion issuer 'https://elsewhere.example/'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion.", "Azure/azure-workload-identity#1200"},
		"issuer without its slash": {func(a *attempt) { a.claims["iss"] = strings.TrimSuffix(issuerURL, "/") },
			401, "invalid_client", 700211, "issuer '" + strings.TrimSuffix(issuerURL, "/") + "'.", "Azure/azure-workload-identity#1200"},
		"issuer in another case": {func(a *attempt) { a.claims["iss"] = strings.ToUpper(issuerURL) },
			401, "invalid_client", 700211, "presented assertion issuer", "workload-identity-federation-considerations"},
		"issuer that is not a URL": {func(a *attempt) { a.claims["iss"] = "https://a b/" },
			401, "invalid_client", 700211, "presented assertion issuer 'https://a b/'.", "Azure/azure-workload-identity#1200"},
		"no issuer": {func(a *attempt) { delete(a.claims, "iss") },
			401, "invalid_client", 700211, "presented assertion issuer ''.", "Azure/azure-workload-identity#1200"},
		"subject": {func(a *attempt) { a.claims["sub"] = "system:serviceaccount:shop:cart" },
			401, "invalid_client", 700213, "presented assertion subject 'system:serviceaccount:shop:cart'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.", "Azure/login#482"},
		"subject in another case": {func(a *attempt) { a.claims["sub"] = "system:serviceaccount:Shop:checkout" },
			401, "invalid_client", 7002138, "subject 'system:serviceaccount:Shop:checkout'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison.", "Azure/login#515"},
		"audience": {func(a *attempt) { a.claims["aud"] = "https://kubernetes.default.svc" },
			401, "invalid_client", 700212, "presented assertion audience 'https://kubernetes.default.svc'.", "azidentity TROUBLESHOOTING"},
		"audience in another case": {func(a *attempt) { a.claims["aud"] = "api://azureadtokenexchange" },
			401, "invalid_client", 700212, "presented assertion audience", "workload-identity-federation-considerations"},
		"no audience": {func(a *attempt) { delete(a.claims, "aud") },
			401, "invalid_client", 700212, "presented assertion audience ''.", "azidentity TROUBLESHOOTING"},

		"lifetime over 25 h": {func(a *attempt) { a.claims["iat"] = a.claims["exp"].(int64) - 25*3600 - 1 },
			400, "invalid_request", 70023, "External OIDC Provider token must have a lifetime of less than or equal to 1.01:00:00. Token issued at 1999-12-30T23:59:59.0000000Z. Token expires on 2000-01-01T01:00:00.0000000Z", "MicrosoftDocs/azure-docs#86915"},
		"no iat": {func(a *attempt) { delete(a.claims, "iat") },
			400, "invalid_request", 70023, "less than or equal to 1.01:00:00", "MicrosoftDocs/azure-docs#116275"},
		"no exp": {func(a *attempt) { delete(a.claims, "exp") },
			400, "invalid_request", 70023, "less than or equal to 1.01:00:00", "MicrosoftDocs/azure-docs#116275"},
		"expired": {func(a *attempt) { a.claims["iat"], a.claims["exp"] = int64(946681200), int64(946684499) },
			401, "invalid_client", 700024, "Client assertion is not within its valid time range. " + times + "assertion valid from 2000-01-01T00:00:00.0000000Z, expiry time of assertion 1999-12-31T23:54:59.0000000Z.", "Azure/azure-sdk-for-rust#1739"},
		"not yet valid": {func(a *attempt) { a.claims["nbf"] = int64(946685101) },
			401, "invalid_client", 700024, times + "assertion valid from 2000-01-01T00:05:01.0000000Z, expiry time of assertion 2000-01-01T01:00:00.0000000Z.", "Azure/azure-sdk-for-rust#1739"},

		"issuer cannot be reached": {func(a *attempt) { a.issuer = documents{} },
			400, "invalid_request", 90061, "Request to External OIDC endpoint failed.", "Azure/azure-workload-identity#605"},
		"issuer down": {func(a *attempt) { a.issuer[discovery] = "down" },
			400, "invalid_request", 90061, "Request to External OIDC endpoint failed.", "Azure/azure-workload-identity#642"},
		"keys cannot be fetched": {func(a *attempt) { delete(a.issuer, jwksURL) },
			400, "invalid_request", 90061, "Request to External OIDC endpoint failed.", "Azure/azure-workload-identity#642"},
		"discovery is not JSON": {func(a *attempt) { a.issuer[discovery] = "<html>" },
			400, "invalid_request", 50166, "Request to External OIDC endpoint failed.", "Azure/azure-workload-identity#1130"},
		"discovery of another issuer": {func(a *attempt) {
			a.issuer[discovery] = `{"issuer":"` + strings.TrimSuffix(issuerURL, "/") + `","jwks_uri":"` + jwksURL + `"}`
		}, 400, "invalid_request", 50166, "Request to External OIDC endpoint failed.", "OpenID Connect Discovery 1.0, 4.3"},
		"jwks_uri over plain HTTP": {func(a *attempt) {
			a.issuer[discovery] = `{"issuer":"` + issuerURL + `","jwks_uri":"http://keys.example/jwks"}`
		}, 400, "invalid_request", 50166, "Request to External OIDC endpoint failed.", "OpenID Connect Discovery 1.0, 3"},
		"jwks_uri is not a URL": {func(a *attempt) {
			a.issuer[discovery] = `{"issuer":"` + issuerURL + `","jwks_uri":"https://a b/"}`
		}, 400, "invalid_request", 50166, "Request to External OIDC endpoint failed.", "OpenID Connect Discovery 1.0, 3"},
		"keys are not JSON": {func(a *attempt) { a.issuer[jwksURL] = "[]" },
			400, "invalid_request", 50166, "Request to External OIDC endpoint failed.", "Azure/azure-cli#28863"},

		"unknown key": {func(a *attempt) { a.header["kid"] = "k2" },
			401, "invalid_client", 7000272, "The certificate with identifier 'k2' used to sign the federated credential could not be found in the metadata of identity provider '" + issuerURL + "'. Please validate", "Azure/azure-workload-identity#1232"},
		"no kid": {func(a *attempt) { delete(a.header, "kid") },
			401, "invalid_client", 7000272, "could not be found in the metadata", "Azure/azure-workload-identity#1232"},
		"no keys": {func(a *attempt) { a.issuer[jwksURL] = `{"keys":[]}` },
			401, "invalid_client", 7000272, "could not be found in the metadata", "Azure/azure-workload-identity#1232"},
		"key is not an RSA key": {func(a *attempt) { a.issuer[jwksURL] = `{"keys":[` + publicKey("k1", "EC", "sig", "RS256") + `]}` },
			401, "invalid_client", 7000272, "could not be found in the metadata", "RFC 7517, 4.1"},
		"key is for encryption": {func(a *attempt) { a.issuer[jwksURL] = `{"keys":[` + publicKey("k1", "RSA", "enc", "RS256") + `]}` },
			401, "invalid_client", 7000272, "could not be found in the metadata", "RFC 7517, 4.2"},
		"key is for RS512": {func(a *attempt) { a.issuer[jwksURL] = `{"keys":[` + publicKey("k1", "RSA", "sig", "RS512") + `]}` },
			401, "invalid_client", 7000272, "could not be found in the metadata", "RFC 7517, 4.4"},
		"key without modulus and exponent": {func(a *attempt) { a.issuer[jwksURL] = `{"keys":[{"kid":"k1","kty":"RSA"}]}` },
			401, "invalid_client", 7000272, "could not be found in the metadata", "RFC 7518, 6.3.1"},
		"signature of other claims": {func(a *attempt) {
			other := goodAttempt(time.Now().Unix())
			other.claims["jti"] = "another"
			a.tamper = func(raw string) string {
				forged := other.assertion(t)
				return raw[:strings.LastIndexByte(raw, '.')] + forged[strings.LastIndexByte(forged, '.'):]
			}
		}, 401, "invalid_client", 7000274, "signature", "reference"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, row.source)
			synctest.Test(t, func(t *testing.T) {
				s, now := trusting(t), time.Now().Unix()
				faulty := goodAttempt(now)
				row.fault(faulty)
				reply, code, body := faulty.send(t, s)
				got := decode[errorReply](t, body)
				assert.Equal(t, row.code, code, body)
				assert.Equal(t, row.status, reply.StatusCode)
				assert.Equal(t, row.oauth, got.Error)
				assert.Contains(t, got.ErrorDescription, row.text)
				assert.NotContains(t, got.ErrorDescription, "{")

				_, code, body = goodAttempt(now).send(t, s)
				assert.Zero(t, code, body)
			})
		})
	}
}

func TestStrictServerAcceptsTheLimits(t *testing.T) {
	for name, change := range map[string]func(*attempt){
		"tenant and client in another case": func(a *attempt) { a.tenant, a.client = "CONTOSO", strings.ToUpper(clientID) },
		"five minutes past the expiry":      func(a *attempt) { a.claims["iat"], a.claims["exp"] = int64(946680900), int64(946684500) },
		"five minutes before nbf":           func(a *attempt) { a.claims["nbf"] = int64(946685100) },
		"a lifetime of 25 h":                func(a *attempt) { a.claims["iat"] = a.claims["exp"].(int64) - 25*3600 },
		"no nbf":                            func(a *attempt) { delete(a.claims, "nbf") },
		"no type":                           func(a *attempt) { delete(a.header, "typ") },
		"the other type":                    func(a *attempt) { a.header["typ"] = "http://openid.net/specs/jwt/1.0" },
		"a certificate in the header":       func(a *attempt) { a.header["x5t"], a.header["x5c"] = "AA", []string{"AA"} },
		"the audience as a string":          func(a *attempt) { a.claims["aud"] = audience },
		"a second audience":                 func(a *attempt) { a.claims["aud"] = []string{"other", audience} },
		"a key without use and alg":         func(a *attempt) { a.issuer[jwksURL] = `{"keys":[` + publicKey("k1", "RSA", "", "") + `]}` },
		"other keys as well": func(a *attempt) {
			a.issuer[jwksURL] = `{"keys":[{"kty":"EC"},{"kty":"RSA","kid":7},{"kty":"RSA","kid":"k2","use":["sig"]},"odd",null,` + publicKey("k1", "RSA", "sig", "RS256") + `]}`
		},
		"a second key with the same kid": func(a *attempt) {
			a.issuer[jwksURL] = `{"keys":[` + publicKey("k1", "RSA", "sig", "RS256") + `,` + anotherK1 + `]}`
		},
		"a regional host":                   func(a *attempt) { a.host = "westeurope.login.microsoft.com" },
		"a national cloud's host":           func(a *attempt) { a.host = "login.partner.microsoftonline.cn" },
		"a regional host of another cloud":  func(a *attempt) { a.host = "westus2.login.microsoftonline.us" },
		"a private host":                    func(a *attempt) { a.host = "login.private.example:8443" },
		"a claims challenge with an nbf":    func(a *attempt) { a.claimsParam = `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}` },
		"the OpenID Connect scopes of MSAL": func(a *attempt) { a.scope += " openid offline_access profile" },
		"two resources; the first counts":   func(a *attempt) { a.scope += " https://other.example/.default" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := goodAttempt(time.Now().Unix())
				change(a)
				_, code, body := a.send(t, trusting(t))
				assert.Zero(t, code, body)
			})
		})
	}
}

// At first everything is wrong. Each step fixes what the last refusal named, and gets the next one.
func TestOrderOfChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, now := trusting(t), time.Now().Unix()
		s.AllowResource("https://vault.azure.net")
		s.RefuseRegions = true
		policy := entratest.Policy{NoFederation: true, AllowedIssuers: []string{"https://other.example"}, BlockedClients: []string{clientID}}
		enforce := func() { require.NoError(t, s.SetPolicy("contoso", policy)) }
		enforce()
		require.NoError(t, s.SetCloud("contoso", "login.microsoftonline.us"))
		require.NoError(t, s.SetDisabled("contoso", clientID, true))
		a := goodAttempt(now)
		a.host = "westeurope.login.microsoft.com"
		a.scope, a.tenant, a.client = "bad", "fabrikam", "other"
		a.tamper = func(string) string { return "{}" }
		a.method, a.header["gty"], a.header["typ"] = jwt.SigningMethodRS512, "x", "at+jwt"
		a.claims = jwt.MapClaims{"iss": "https://sts.windows.net/contoso/", "sub": "no", "aud": "no", "exp": now - 3600}
		a.issuer = documents{}
		for _, step := range []struct {
			code int
			fix  func()
		}{
			{100007, func() { a.host = "login.microsoftonline.com" }},
			{1002012, func() { a.scope = "https://a.example/.default https://b.example/.default" }},
			{90002, func() { a.tenant = "contoso" }},
			{900382, func() { require.NoError(t, s.SetCloud("contoso", a.host)) }},
			{700016, func() { a.client = clientID }},
			{7000112, func() { require.NoError(t, s.SetDisabled("contoso", clientID, false)); a.client = bareClientID }},
			{50027, func() { a.tamper = func(raw string) string { return raw } }},
			{5002726, func() { delete(a.header, "gty") }},
			{5002727, func() { a.header["typ"] = "JWT" }},
			{5002738, func() { a.method, a.header["kid"] = jwt.SigningMethodRS256, "k2" }},
			{700222, func() { a.claims["iss"] = "https://elsewhere.example/" }},
			{70025, func() { a.client = clientID }},
			{700211, func() { a.claims["iss"] = issuerURL }},
			{700213, func() { a.claims["sub"] = subject }},
			{700212, func() { a.claims["aud"] = audience }},
			{700223, func() { policy.NoFederation = false; enforce() }},
			{700238, func() { policy.AllowedIssuers = nil; enforce() }},
			{70023, func() { a.claims["iat"] = now - 7200 }},
			{700024, func() { a.claims["exp"] = now + 3600 }},
			{90061, func() { a.issuer = goodDocuments() }},
			{7000272, func() {
				a.header["kid"] = "k1"
				a.tamper = func(raw string) string { return raw[:len(raw)-8] + "AAAAAAAA" }
			}},
			{7000274, func() { a.tamper = func(raw string) string { return raw } }},
			{700022, func() { a.scope = "https://a.example/.default" }},
			{500011, func() { a.scope = "https://vault.azure.net/.default" }},
			{53003, func() { policy.BlockedClients = nil; enforce() }},
			{0, func() {}},
		} {
			_, code, body := a.send(t, s)
			require.Equal(t, step.code, code, body)
			step.fix()
		}
	})
}

func TestAccessTokenIsNotAnAssertion(t *testing.T) {
	s := trusting(t)
	_, _, body := goodAttempt(time.Now().Unix()).send(t, s)
	token := decode[tokenReply](t, body).AccessToken
	assert.Equal(t, 700222, codeOf(t, s, with(validForm(t), "client_assertion", token)))
}

// Entra accepts its own tokens only for a managed identity as a federated credential.
func TestEntraIssuerCanBeTrusted(t *testing.T) {
	var s entratest.Server
	entra := &entratest.Cluster{Issuer: "https://login.microsoftonline.com/contoso/v2.0"}
	require.NoError(t, s.TrustCluster(entra, clusterCredential()))
	assert.Zero(t, codeOf(t, &s, inCluster(t, entra)))
	other := &entratest.Cluster{Issuer: "https://login.microsoftonline.com/fabrikam/v2.0"}
	assert.Equal(t, 700222, codeOf(t, &s, inCluster(t, other)))
}

func TestUnknownTenantHasNoConfiguration(t *testing.T) {
	lenient, strict := new(entratest.Server), trusting(t)
	for tenant, status := range map[string]int{"contoso": 200, "fabrikam": 400, "common": 200, "Organizations": 200} {
		target := "https://login.microsoftonline.com/" + tenant + "/v2.0/.well-known/openid-configuration"
		reply, body := do(t, strict, get(t, target))
		assert.Equal(t, status, reply.StatusCode, tenant)
		if status != http.StatusOK {
			assert.Equal(t, []int{90002}, decode[errorReply](t, body).ErrorCodes)
			assert.Equal(t, "invalid_tenant", decode[errorReply](t, body).Error)
		}
		reply, _ = do(t, lenient, get(t, target))
		assert.Equal(t, http.StatusOK, reply.StatusCode)
	}
}

func TestScriptedRepliesReplaceJudgment(t *testing.T) {
	s := trusting(t)
	s.Enqueue(entratest.Refuse(90033))
	assert.Equal(t, 90033, codeOf(t, s, validForm(t)))
	assert.Equal(t, 700211, codeOf(t, s, validForm(t)))
}
