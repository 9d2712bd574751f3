package entratest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// defaultLifetime is that of a token from Entra: expires_in 3599.
const defaultLifetime = time.Hour - time.Second

// tokenBody is a success reply of the v2.0 endpoint, which writes numbers.
type tokenBody struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	ExtExpiresIn int64  `json:"ext_expires_in"`
	RefreshIn    int64  `json:"refresh_in,omitempty"`
	AccessToken  string `json:"access_token"`
}

// tokenBodyV1 is one of the endpoint before, which wrote strings.
type tokenBodyV1 struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in,string"`
	ExtExpiresIn int64  `json:"ext_expires_in,string"`
	RefreshIn    int64  `json:"refresh_in,string,omitempty"`
	ExpiresOn    int64  `json:"expires_on,string"`
	NotBefore    int64  `json:"not_before,string"`
	Resource     string `json:"resource"`
	AccessToken  string `json:"access_token"`
}

func (s *Server) issue(c *call) (*response, error) {
	lifetime := s.Lifetime
	if lifetime == 0 {
		lifetime = defaultLifetime
	}
	expiresIn := int64(lifetime / time.Second)
	signed, err := sign(entraKey(), s.accessClaims(c, expiresIn), "JWT")
	if err != nil {
		return nil, err
	}
	refreshIn := int64(s.RefreshIn / time.Second)
	if c.v1 {
		return respondJSON(c, http.StatusOK, tokenBodyV1{
			TokenType: "Bearer", ExpiresIn: expiresIn, ExtExpiresIn: expiresIn, RefreshIn: refreshIn,
			ExpiresOn: c.now.Unix() + expiresIn, NotBefore: c.now.Unix(), Resource: c.resource(), AccessToken: signed,
		}), nil
	}
	return respondJSON(c, http.StatusOK, tokenBody{
		TokenType: "Bearer", ExpiresIn: expiresIn, ExtExpiresIn: expiresIn, RefreshIn: refreshIn, AccessToken: signed,
	}), nil
}

// accessClaims are those of an app-only token, of the version that the resource wants. uti makes every token another.
func (s *Server) accessClaims(c *call, expiresIn int64) jwt.MapClaims {
	object := guidOf("service principal", c.TenantID, c.ClientID)
	claims := jwt.MapClaims{
		"iat": c.now.Unix(), "nbf": c.now.Unix(), "exp": c.now.Unix() + expiresIn,
		"idtyp": "app", "tid": c.TenantID, "oid": object, "sub": object, "uti": newTokenID(),
	}
	resource := c.resource()
	if audience, wanted := s.v2Audience(resource); wanted {
		maps.Copy(claims, jwt.MapClaims{
			"aud": audience, "iss": "https://" + cloudOf(c.Host) + "/" + c.TenantID + "/v2.0", "ver": "2.0",
			"azp": c.ClientID, "azpacr": "2",
		})
	} else {
		maps.Copy(claims, jwt.MapClaims{
			"aud": resource, "iss": "https://sts.windows.net/" + c.TenantID + "/", "ver": "1.0",
			"appid": c.ClientID, "appidacr": "2",
		})
	}
	if asksForCAE(c.Claims) {
		claims["xms_cc"] = []string{"CP1"}
	}
	return claims
}

// asksForCAE reports whether a claims parameter declares the capability cp1, the client's promise to handle claims challenges.
func asksForCAE(claims string) bool {
	var asked struct {
		AccessToken struct {
			Capabilities struct {
				Values []string `json:"values"`
			} `json:"xms_cc"`
		} `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(claims), &asked); err != nil {
		return false
	}
	return slices.ContainsFunc(asked.AccessToken.Capabilities.Values, func(v string) bool { return strings.EqualFold(v, "cp1") })
}

func newTokenID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// sign makes a JWT. With typ empty its header is alg and kid alone, as in a token of kube-apiserver.
func sign(key *rsa.PrivateKey, claims jwt.MapClaims, typ string) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header = map[string]any{"alg": "RS256", "kid": keyID(&key.PublicKey)}
	if typ != "" {
		token.Header["typ"] = typ
	}
	return token.SignedString(key)
}
