package azure_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// keySet is Entra ID's signing keys by their kid, as a resource fetches them.
type keySet map[string]*rsa.PublicKey

func (r *rig) keys(t *testing.T) keySet {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+loginHost+"/common/discovery/v2.0/keys", nil)
	require.NoError(t, err)
	response, err := r.http.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, http.StatusOK, response.StatusCode)

	var document struct {
		Keys []struct{ Kty, Use, Kid, N, E string }
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&document))
	keys := keySet{}
	for _, k := range document.Keys {
		require.Equal(t, [2]string{"RSA", "sig"}, [2]string{k.Kty, k.Use})
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		require.NoError(t, err)
		e, err := base64.RawURLEncoding.DecodeString(k.E)
		require.NoError(t, err)
		keys[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return keys
}

type accessClaims struct {
	jwt.RegisteredClaims
	TenantID     string   `json:"tid"`
	Application  string   `json:"appid"`
	Capabilities []string `json:"xms_cc"`
}

// verify judges an access token as a resource does: signature, issuer, audience, lifetime, and that it was issued to our client.
func (k keySet) verify(raw, audience string) (*accessClaims, error) {
	claims := &accessClaims{}
	_, err := jwt.ParseWithClaims(raw, claims, k.key,
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		return nil, err
	}
	if want := "https://sts.windows.net/" + claims.TenantID + "/"; claims.Issuer != want {
		return nil, fmt.Errorf("issuer %q, want %q", claims.Issuer, want)
	}
	if claims.Application != clientID {
		return nil, errors.New("a token of another application")
	}
	return claims, nil
}

func (k keySet) key(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	key, known := k[id]
	if !known {
		return nil, fmt.Errorf("unknown key %q", id)
	}
	return key, nil
}
