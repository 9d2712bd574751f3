package tokenfile_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// compact returns a token with a fake signature and these claims, in JSON.
func compact(claims string) string {
	return b64(`{"alg":"RS256","kid":"key-1"}`) + "." + b64(claims) + "." + b64("signature")
}

// valid returns a signed token that is valid for an hour.
func valid(t testing.TB) string {
	return expiring(t, time.Now().Add(time.Hour))
}

func expiring(t testing.TB, at time.Time) string {
	return signed(t, jwt.MapClaims{"iss": "https://issuer.example", "sub": "system:serviceaccount:ns:app", "exp": at.Unix()})
}

func signed(t testing.TB, claims jwt.MapClaims) string {
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("a key for tests only, 32 bytes.."))
	require.NoError(t, err)
	return raw
}

func file(t testing.TB, content string) string {
	path := filepath.Join(t.TempDir(), "azure-identity-token")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// realTokens returns tokens that a kube-apiserver issued, in compact form.
func realTokens(t testing.TB) map[string]string {
	data, err := os.ReadFile("testdata/tokens.json")
	require.NoError(t, err)
	var parts map[string]struct {
		Header, Payload string
		Signature       string `json:"signature_hex"`
	}
	require.NoError(t, json.Unmarshal(data, &parts))
	tokens := make(map[string]string, len(parts))
	for name, p := range parts {
		signature, err := hex.DecodeString(p.Signature)
		require.NoError(t, err)
		tokens[name] = b64(p.Header) + "." + b64(p.Payload) + "." + b64(string(signature))
	}
	return tokens
}

// leak returns a run of 8 characters that text shares with content, or "".
func leak(text, content string) string {
	for i := 0; i+8 <= len(content); i++ {
		if strings.Contains(text, content[i:i+8]) {
			return content[i : i+8]
		}
	}
	return ""
}
