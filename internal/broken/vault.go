package broken

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const secretPath = "/secrets/greeting?api-version=7.4"

// vault is a fake key vault with one secret. It judges access tokens, and refuses in the words of Azure Key Vault
// (https://learn.microsoft.com/azure/key-vault/general/rest-error-codes, and AKV10022 and AKV10032 of public reports).
type vault struct {
	entra    *entratest.Server
	tenantID string          // whose tokens it takes
	roles    map[string]bool // client IDs that may read
	revoked  bool            // every token so far
	firewall bool            // lets no address through
}

// What a vault says to those whom it knows, but does not serve.
const (
	closed       = "Client address is not authorized and caller is not a trusted service.\r\nClient address: 10.0.0.4\r\nVault: orders;location=eastus"
	unauthorized = "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed " +
		"recently, please observe propagation time.\r\nCaller: appid=%s;oid=%v;iss=%v\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\n" +
		"Assignment: (not found)\r\nVault: orders;location=eastus"
)

// Do answers as a site.
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
	case !v.roles[appID]:
		return vaultError(r, http.StatusForbidden, "Forbidden", fmt.Sprintf(unauthorized, appID, claims["oid"], claims["iss"]), "ForbiddenByRbac"), nil
	case r.URL.Path != "/secrets/greeting":
		return vaultError(r, http.StatusNotFound, "SecretNotFound", "A secret with (name/id) was not found in this key vault.", ""), nil
	}
	return respond(r, http.StatusOK, "application/json; charset=utf-8", `{"value":"hello","id":"https://`+vaultHost+`/secrets/greeting"}`), nil
}

// now is the time that the vault's and Entra ID's clocks have in common.
func (v *vault) now() time.Time { return time.Now().Add(v.entra.ClockSkew) }

// verify returns the claims of the request's access token, or what the vault objects to. It quotes no token.
func (v *vault) verify(r *http.Request) (claims jwt.MapClaims, objection string) {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, "AKV10000: Request is missing a Bearer or PoP token."
	}
	claims = jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(raw, claims, v.key, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(v.now))
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

// key finds a token's key among those that Entra ID publishes.
func (v *vault) key(token *jwt.Token) (any, error) {
	r, err := http.NewRequest(http.MethodGet, "https://"+authority+"/common/discovery/v2.0/keys", nil)
	if err != nil {
		return nil, err
	}
	reply, err := v.entra.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = reply.Body.Close() }()
	var set struct{ Keys []struct{ Kid, N, E string } }
	if err := json.NewDecoder(reply.Body).Decode(&set); err != nil {
		return nil, err
	}
	for _, key := range set.Keys {
		if key.Kid == token.Header["kid"] {
			n, err1 := base64.RawURLEncoding.DecodeString(key.N)
			e, err2 := base64.RawURLEncoding.DecodeString(key.E)
			return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, errors.Join(err1, err2)
		}
	}
	return nil, errors.New("unknown key")
}

// unauthenticated tells a client where to get a token, and for what.
func (v *vault) unauthenticated(r *http.Request, message, more string) *http.Response {
	reply := vaultError(r, http.StatusUnauthorized, "Unauthorized", message, "")
	reply.Header.Set("WWW-Authenticate", `Bearer authorization="https://`+authority+`/`+v.tenantID+`", resource="`+vaultURI+`"`+more)
	return reply
}

// vaultError is a refusal, with the inner error's code where there is one.
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
		panic("broken: encoding a reply: " + err.Error()) // cannot be: it is a plain struct
	}
	return respond(r, status, "application/json; charset=utf-8", string(text))
}
