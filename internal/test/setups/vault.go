package setups

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const secretPath = "/secrets/greeting?api-version=7.4"

// vault is a fake key vault with one secret. It judges access tokens and refuses in the words of
// Azure Key Vault (https://learn.microsoft.com/azure/key-vault/general/rest-error-codes, AKV10022,
// AKV10032 and ForbiddenByConnection of public reports).
type vault struct {
	entra    *entratest.Server
	tenantID string          // whose tokens it accepts
	roles    map[string]bool // client IDs that may read
	revoked  bool            // all tokens so far
	firewall bool            // blocks every address
	private  bool            // reachable only through a private endpoint
	policies bool            // has access policies instead of roles
}

// A vault's replies to callers that it knows but does not serve.
const (
	closed       = "Client address is not authorized and caller is not a trusted service.\r\nClient address: 10.0.0.4\r\nVault: orders;location=eastus"
	notPrivate   = "Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nVault: orders;location=eastus"
	noPolicy     = "The user, group or application 'oid=%v' does not have secrets get permission on key vault 'orders;location=eastus'."
	unauthorized = "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed " +
		"recently, please observe propagation time.\r\nCaller: appid=%s;oid=%v;iss=%v\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\n" +
		"Assignment: (not found)\r\nVault: orders;location=eastus"
)

// Do answers a request; it is a site.
func (v *vault) Do(r *http.Request) (*http.Response, error) {
	claims, objection := v.verify(r)
	appID, _ := claims["appid"].(string)
	switch {
	case objection != "":
		return v.unauthenticated(r, objection, ""), nil
	case v.revoked:
		challenge := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, v.now().Unix()))
		return v.unauthenticated(r, "AKV10095: The token has been revoked.", `, error="insufficient_claims", claims="`+challenge+`"`), nil
	case v.firewall:
		return vaultError(r, http.StatusForbidden, "Forbidden", closed, "ForbiddenByFirewall"), nil
	case v.private:
		return vaultError(r, http.StatusForbidden, "Forbidden", notPrivate, "ForbiddenByConnection"), nil
	case v.policies && !v.roles[appID]:
		return vaultError(r, http.StatusForbidden, "Forbidden", fmt.Sprintf(noPolicy, claims["oid"]), "ForbiddenByPolicy"), nil
	case !v.roles[appID]:
		return vaultError(r, http.StatusForbidden, "Forbidden", fmt.Sprintf(unauthorized, appID, claims["oid"], claims["iss"]), "ForbiddenByRbac"), nil
	case r.URL.Path != "/secrets/greeting":
		return vaultError(r, http.StatusNotFound, "SecretNotFound", "A secret with (name/id) was not found in this key vault.", ""), nil
	}
	return respond(r, http.StatusOK, "application/json; charset=utf-8", `{"value":"hello","id":"https://`+vaultHost+`/secrets/greeting"}`), nil
}

// now is the time by the vault's clock, which agrees with Entra ID's.
func (v *vault) now() time.Time { return time.Now().Add(v.entra.ClockSkew) }

// verify returns the claims of the request's access token, or the vault's objection. It quotes no
// token.
func (v *vault) verify(r *http.Request) (claims jwt.MapClaims, objection string) {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, "AKV10000: Request is missing a Bearer or PoP token."
	}
	claims, err := v.entra.VerifyToken(raw, "")
	if err != nil {
		return nil, "Error validating token."
	}
	audience, _ := claims.GetAudience()
	issuer, _ := claims.GetIssuer()
	expected := "https://sts.windows.net/" + v.tenantID + "/"
	switch {
	case !slices.Contains(audience, vaultURI):
		return nil, fmt.Sprintf("AKV10022: Invalid audience. Expected %s, found: %s.", vaultURI, strings.Join(audience, ","))
	case issuer != expected:
		return nil, fmt.Sprintf("AKV10032: Invalid issuer. Expected one of %s, found %s.", expected, issuer)
	}
	return claims, ""
}

// unauthenticated returns a 401 that names the authority and resource to get a token for.
func (v *vault) unauthenticated(r *http.Request, message, more string) *http.Response {
	reply := vaultError(r, http.StatusUnauthorized, "Unauthorized", message, "")
	reply.Header.Set("WWW-Authenticate", `Bearer authorization="https://`+authority+`/`+v.tenantID+`", resource="`+vaultURI+`"`+more)
	return reply
}

// vaultError returns a refusal, with the inner error's code if there is one.
func vaultError(r *http.Request, status int, code, message, inner string) *http.Response {
	type body struct {
		Code    string `json:"code"`
		Message string `json:"message,omitempty"`
		Inner   *body  `json:"innererror,omitempty"`
	}
	said := body{Code: code, Message: message}
	if inner != "" {
		said.Inner = &body{Code: inner}
	}
	text, err := json.Marshal(map[string]body{"error": said})
	if err != nil {
		panic("setups: encoding a reply: " + err.Error()) // impossible: it is a plain struct
	}
	return respond(r, status, "application/json; charset=utf-8", string(text))
}
