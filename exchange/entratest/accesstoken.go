package entratest

import (
	"cmp"
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

// defaultLifetime is what Entra sends as expires_in: 3599 s.
const defaultLifetime = time.Hour - time.Second

// tokenBody is a success reply of the v2.0 endpoint, which writes numbers.
type tokenBody struct {
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope,omitempty"` // only with a user's token
	ExpiresIn    int64  `json:"expires_in"`
	ExtExpiresIn int64  `json:"ext_expires_in"`
	RefreshIn    int64  `json:"refresh_in,omitempty"`
	AccessToken  string `json:"access_token"`
}

// tokenBodyV1 is a success reply of the v1 endpoint, which writes strings.
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

func (s *Server) issue(c *call) (*reply, error) {
	expiresIn := int64(s.lifetime() / time.Second)
	signed, err := s.signer.sign(s.accessClaims(c, expiresIn), "JWT")
	if err != nil {
		return nil, err
	}
	refreshIn := int64(s.RefreshIn / time.Second)
	if c.v1 {
		return newJSONReply(c, http.StatusOK, tokenBodyV1{
			TokenType: "Bearer", ExpiresIn: expiresIn, ExtExpiresIn: expiresIn, RefreshIn: refreshIn,
			ExpiresOn: c.now.Unix() + expiresIn, NotBefore: c.now.Unix(), Resource: c.resource(), AccessToken: signed,
		}), nil
	}
	scope := ""
	if c.user != nil {
		scope = strings.Join(resourceScopes(c.Scope), " ")
	}
	return newJSONReply(c, http.StatusOK, tokenBody{
		TokenType: "Bearer", Scope: scope, ExpiresIn: expiresIn, ExtExpiresIn: expiresIn, RefreshIn: refreshIn, AccessToken: signed,
	}), nil
}

func (s *Server) lifetime() time.Duration { return cmp.Or(s.Lifetime, defaultLifetime) }

// accessClaims returns the claims of an access token, in the version for its resource. uti makes
// each token unique.
func (s *Server) accessClaims(c *call, expiresIn int64) jwt.MapClaims {
	claims := c.subjectClaims()
	maps.Copy(claims, jwt.MapClaims{
		"iat": c.now.Unix(), "nbf": c.now.Unix(), "exp": c.now.Unix() + expiresIn, "tid": c.tenant, "uti": newTokenID(),
	})
	resource := c.resource()
	if audience, wanted := s.v2Audience(resource); wanted {
		maps.Copy(claims, jwt.MapClaims{
			"aud": audience, "iss": "https://" + cloudOf(c.Host) + "/" + c.tenant + "/v2.0", "ver": "2.0",
			"azp": c.client, "azpacr": "2",
		})
		if c.user != nil {
			claims["preferred_username"] = c.user.name
		}
	} else {
		maps.Copy(claims, jwt.MapClaims{
			"aud": resource, "iss": "https://sts.windows.net/" + c.tenant + "/", "ver": "1.0",
			"appid": c.client, "appidacr": "2",
		})
	}
	if declaresCP1(c.Claims) {
		claims["xms_cc"] = []string{"CP1"}
	}
	return claims
}

// Values of the claims xms_act_fct (who acts) and xms_sub_fct (for whom). Applications may read
// only 11, an agent identity, and 13, an agent's user account
// (https://learn.microsoft.com/entra/agent-id/agent-token-claims). The other numbers are taken from
// recorded tokens.
const (
	agentFacets     = "3 9 11"
	agentUserFacets = "3 13"
	userFacets      = "2 3"
)

// subjectClaims returns the claims that identify whom a token is for.
func (c *call) subjectClaims() jwt.MapClaims {
	claims, facets := c.applicationClaims(), agentFacets
	if c.user != nil {
		claims, facets = c.user.claims(c.tenant, c.client), userFacets
		claims["scp"] = c.granted()
		if c.user.agent {
			facets = agentUserFacets
		}
	}
	if c.blueprint != "" {
		claims["xms_par_app_azp"], claims["xms_act_fct"], claims["xms_sub_fct"] = c.blueprint, agentFacets, facets
	}
	return claims
}

// applicationClaims returns the identity claims of an app-only token. The object ID of an agent
// identity is its client ID. A blueprint's token for an agent names the agent in its subject.
func (c *call) applicationClaims() jwt.MapClaims {
	object := guidOf("service principal", c.tenant, strings.ToLower(c.client))
	if c.blueprint != "" {
		object = c.client
	}
	subject := object
	if path := c.Form.Get("fmi_path"); path != "" {
		subject = fmiSubject(c.tenant, c.client, path)
	}
	return jwt.MapClaims{"idtyp": "app", "oid": object, "sub": subject}
}

// application returns the client ID of the client's application: for an agent, its blueprint.
func (c *call) application() string { return cmp.Or(c.blueprint, c.client) }

// declaresCP1 reports whether a claims parameter declares the capability cp1, with which a client
// promises to handle claims challenges.
func declaresCP1(claims string) bool {
	var parameter struct {
		AccessToken struct {
			Capabilities struct {
				Values []string `json:"values"`
			} `json:"xms_cc"`
		} `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(claims), &parameter); err != nil {
		return false
	}
	return slices.ContainsFunc(parameter.AccessToken.Capabilities.Values, func(v string) bool { return strings.EqualFold(v, "cp1") })
}

func newTokenID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// sign returns a signed JWT. If typ is empty, the header has only alg and kid, as in the tokens of
// kube-apiserver.
func sign(key *rsa.PrivateKey, claims jwt.MapClaims, typ string) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header = map[string]any{"alg": "RS256", "kid": keyID(&key.PublicKey)}
	if typ != "" {
		token.Header["typ"] = typ
	}
	return token.SignedString(key)
}
