package azure_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

type accessClaims struct {
	jwt.RegisteredClaims
	TenantID     string   `json:"tid"`
	Application  string   `json:"appid"`
	Capabilities []string `json:"xms_cc"`
}

// verify checks an access token as a resource does: signature, issuer, audience, lifetime, and that
// it was issued to this client.
func (r *rig) verify(raw, audience string) (*accessClaims, error) {
	verified, err := r.Entra.VerifyToken(raw, audience)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(verified)
	if err != nil {
		return nil, err
	}
	claims := new(accessClaims)
	if err := json.Unmarshal(text, claims); err != nil {
		return nil, err
	}
	if want := "https://sts.windows.net/" + claims.TenantID + "/"; claims.Issuer != want {
		return nil, fmt.Errorf("issuer %q, want %q", claims.Issuer, want)
	}
	if claims.Application != clientID {
		return nil, errors.New("the token belongs to another application")
	}
	return claims, nil
}
