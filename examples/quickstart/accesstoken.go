package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// accessToken returns the claims of an access token. An application must not depend on them: the
// token is meant for the resource and can have any form.
func accessToken(token azcore.AccessToken) []fact {
	facts := claimsOf(token.Token)
	return append(facts, fact{"valid", until(token.ExpiresOn)}, fact{"sha256", fingerprint(token.Token)})
}

// claimsOf decodes a signed JWT (RFC 7519) without verifying it. It describes anything else in
// words.
func claimsOf(token string) []fact {
	parts := strings.Split(token, ".")
	if len(parts) == 5 { // RFC 7516
		return []fact{{"form", "encrypted: only the resource can read its claims"}}
	}
	var claims map[string]any
	if len(parts) != 3 || !decode(parts[1], &claims) {
		return []fact{{"form", "not a JWT: only the resource can read it"}}
	}
	text := func(name string) string { s, _ := claims[name].(string); return s }
	return []fact{
		{"aud", text("aud")},
		{"iss", text("iss")},
		{"appid", cmp.Or(text("appid"), text("azp"))}, // the name differs between versions 1.0 and 2.0
		{"oid", text("oid")},
	}
}

func decode(segment string, claims *map[string]any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	return err == nil && json.Unmarshal(raw, claims) == nil
}

// fingerprint distinguishes tokens without showing them.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6]) + "…"
}
