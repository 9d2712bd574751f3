package tokenfile_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/tokenfile"
)

func TestParseReadsTokensOfAKubeAPIServer(t *testing.T) {
	const exchange = "api://AzureADTokenExchange"
	issued := time.Unix(1795348873, 0).UTC()
	want := map[string]struct {
		audience []string
		expiry   int64
		id       string
		pod      tokenfile.Object
	}{
		"token-24h":              {[]string{exchange}, 1795435273, "2cafdb28-83fe-4453-8460-f9967b8acbc9", tokenfile.Object{}},
		"token-default-audience": {[]string{"https://kubernetes.default.svc"}, 1795352473, "c714027c-58f3-4c63-ab7d-4409ea221e5d", tokenfile.Object{}},
		"token-identity-binding": {[]string{"api://AKSIdentityBinding"}, 1795352473, "f205c4f6-6ddb-46c2-9681-a4eb7d600091", tokenfile.Object{}},
		"token-pod-bound": {[]string{exchange}, 1795352473, "f2a712c9-557a-4db2-a3dc-3084906d0a04",
			tokenfile.Object{Name: "app-0", UID: "5755e690-65e8-41c6-be21-107a394d131b"}},
		"token-two-audiences": {[]string{exchange, "second"}, 1795349473, "41f46f19-59f8-4b8c-b517-dc9b14703629", tokenfile.Object{}},
	}
	tokens := realTokens(t)
	require.Len(t, tokens, len(want))
	for name, raw := range tokens {
		t.Run(name, func(t *testing.T) {
			token, err := tokenfile.Parse(raw)
			require.NoError(t, err)
			assert.Equal(t, tokenfile.Token{
				Issuer:    "https://127.0.0.1:33345",
				Subject:   "system:serviceaccount:rig:app",
				Audience:  want[name].audience,
				IssuedAt:  issued,
				NotBefore: issued,
				Expiry:    time.Unix(want[name].expiry, 0).UTC(),
				ID:        want[name].id,
				KeyID:     "dof7qvEFFncZpay3HYJ1r48IEE0QJ1SZmUN1dd8APMw",
				Algorithm: "RS256",
				Kubernetes: tokenfile.Kubernetes{
					Namespace:      "rig",
					ServiceAccount: tokenfile.Object{Name: "app", UID: "a2d8e976-054c-4b41-9633-b11010ef0ef1"},
					Pod:            want[name].pod,
				},
			}, token)

			key, kid := realKey(t)
			assert.Equal(t, kid, token.KeyID)
			_, err = jwt.Parse(raw, func(*jwt.Token) (any, error) { return key, nil }, jwt.WithoutClaimsValidation())
			assert.NoError(t, err, "the compact form is the one that was signed")
		})
	}
}

func realKey(t *testing.T) (*rsa.PublicKey, string) {
	data, err := os.ReadFile("testdata/jwks.json")
	require.NoError(t, err)
	var set struct{ Keys []struct{ Kid, N, E string } }
	require.NoError(t, json.Unmarshal(data, &set))
	require.Len(t, set.Keys, 1)
	n, err := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	require.NoError(t, err)
	e, err := base64.RawURLEncoding.DecodeString(set.Keys[0].E)
	require.NoError(t, err)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, set.Keys[0].Kid
}

func TestParseAcceptsWhatEntraIDMustJudge(t *testing.T) {
	for name, raw := range map[string]string{
		"unknown alg":                            b64(`{"alg":"XX999"}`) + "." + b64(`{}`) + ".c2ln",
		"missing alg":                            b64(`{}`) + "." + b64(`{}`) + ".c2ln",
		"no claims":                              compact(`{}`),
		"null claims":                            compact(`{"iss":null,"aud":null,"exp":null,"kubernetes.io":null}`),
		"expired":                                compact(`{"exp":1}`),
		"names in another case are other claims": compact(`{"ISS":5,"Exp":"x"}`),
		"unknown claim":                          compact(`{"email":{"a":[1,2]}}`),
		"bits beyond the last byte":              b64(`{}`) + "." + b64(`{}`) + ".c2k_c2l",
		"a long signature":                       b64(`{}`) + "." + b64(`{}`) + "." + strings.Repeat("A", 1<<16),
		"white space within the claims":          compact(" {\n\t} "),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokenfile.Parse(raw)
			assert.NoError(t, err)
		})
	}
}

func TestParseTakesAudienceAsStringOrArray(t *testing.T) {
	for claim, want := range map[string][]string{
		`{}`:                nil,
		`{"aud":null}`:      nil,
		`{"aud":[]}`:        {},
		`{"aud":"a"}`:       {"a"},
		`{"aud":["a"]}`:     {"a"},
		`{"aud":["a","b"]}`: {"a", "b"},
		`{"aud" : "b" }`:    {"b"},
	} {
		token, err := tokenfile.Parse(compact(claim))
		require.NoError(t, err, claim)
		assert.Equal(t, want, token.Audience, claim)
	}
}

func TestParseReadsTimesWithFractionsInUTC(t *testing.T) {
	for claim, want := range map[string]string{
		`0`:             "1970-01-01T00:00:00Z",
		`1795352473`:    "2026-11-22T13:01:13Z",
		`1795352473.5`:  "2026-11-22T13:01:13.5Z",
		`1795352473.1`:  "2026-11-22T13:01:13.1Z",
		`1.795352473e9`: "2026-11-22T13:01:13Z",
		`-0.5`:          "1969-12-31T23:59:59.5Z",
		`253402300799`:  "9999-12-31T23:59:59Z",
		`-62167219200`:  "0000-01-01T00:00:00Z",
	} {
		token, err := tokenfile.Parse(compact(`{"iat":` + claim + `,"nbf":` + claim + `,"exp":` + claim + `}`))
		require.NoError(t, err, claim)
		for _, got := range []time.Time{token.IssuedAt, token.NotBefore, token.Expiry} {
			assert.Equal(t, want, got.Format(time.RFC3339Nano), claim)
			assert.Equal(t, time.UTC, got.Location())
		}
	}
	token, err := tokenfile.Parse(compact(`{}`))
	require.NoError(t, err)
	assert.True(t, token.IssuedAt.IsZero() && token.NotBefore.IsZero() && token.Expiry.IsZero(), "absent is zero")
}

// malformedTokens maps strings that are not a token to the reason given.
var malformedTokens = func() map[string]string {
	const (
		text     = "not a string"
		seconds  = "not a number of seconds within the years 0 to 9999"
		audience = "its aud is not a string or an array of strings"
		k8s      = "its kubernetes.io is not an object as Kubernetes writes it"
		header   = "its header is not a JSON object in base64url"
		claims   = "its claims are not a JSON object in base64url"
	)
	object := b64(`{"secretsecret":"topsecret-topsecret"}`)
	m := map[string]string{
		"":                               "it is empty",
		"one-single-segment":             "a JWT has 3 segments, and it has 1",
		object + "." + object:            "a JWT has 3 segments, and it has 2",
		object + "." + object + ".c.c":   "a JWT has 3 segments, and it has 4",
		strings.Repeat(".", 1<<16):       "a JWT has 3 segments, and it has 65537",
		object + "." + object + ".":      "its signature is empty",
		object + "." + object + ".c2ln=": "its signature is not base64url",
		object + "." + object + ".a+/b":  "its signature is not base64url",
		object + "." + object + ".c":     "its signature is not base64url",
		object + "." + object + ".c2 n":  "its signature is not base64url",
		object + "." + object[:8] + "\n" + object[8:] + ".c2ln":   "it contains a line break",
		object + "." + object[:8] + "\r\n" + object[8:] + ".c2ln": "it contains a line break",
		" " + object + "." + object + ".c2ln":                     header,
		"..":                                                      header,
		".." + object[:9]:                                         header,
		object + ".." + object:                                    claims,
		"{\"secretsecret\":1}." + object + ".c2ln":                header,
		object + ".{\"secretsecret\":1}.c2ln":                     claims,
		b64(`{"alg":5}`) + "." + object + ".c2ln":                 "its alg is not a string",
		b64(`{"kid":["secretsecret"]}`) + "." + object + ".c2":    "its kid is not a string",
		compact(`{"iss":5}`):                                      "its iss is " + text,
		compact(`{"sub":{"secretsecret":1}}`):                     "its sub is " + text,
		compact(`{"jti":true}`):                                   "its jti is " + text,
		compact(`{"aud":5}`):                                      audience,
		compact(`{"aud":[12345678]}`):                             audience,
		compact(`{"aud":["a",12345678]}`):                         audience,
		compact(`{"aud":{"secretsecret":"a"}}`):                   audience,
		compact(`{"kubernetes.io":"secretsecret"}`):               k8s,
		compact(`{"kubernetes.io":["secretsecret"]}`):             k8s,
		compact(`{"kubernetes.io":{"namespace":5}}`):              k8s,
		compact(`{"kubernetes.io":{"pod":"secretsecret"}}`):       k8s,
		compact(`{"kubernetes.io":{"pod":{"uid":5}}}`):            k8s,
	}
	for _, junk := range []string{
		`secretsecret`, `"secretsecret"`, `["secretsecret"]`, `null`, `12345678`, ``, `{"secretsecret":1`, `{}{"secretsecret":1}`,
		strings.Repeat(`{"a":`, 20000),
	} {
		m[b64(junk)+"."+object+".c2ln"] = header
		m[object+"."+b64(junk)+".c2ln"] = claims
	}
	for _, name := range []string{"iat", "nbf", "exp"} {
		for _, junk := range []string{
			`"secretsecret"`, `"1795352473"`, `[1795352473]`, `{}`, `true`,
			`1e300`, `-1e300`, `1e400`, `253402300800`, `-62167219201`, `9223372036854775808`,
		} {
			m[compact(`{"`+name+`":`+junk+`}`)] = "its " + name + " is " + seconds
		}
	}
	return m
}()

func TestParseNamesTheMalformedPart(t *testing.T) {
	for raw, reason := range malformedTokens {
		token, err := tokenfile.Parse(raw)
		require.ErrorIs(t, err, tokenfile.ErrMalformed, raw)
		assert.EqualError(t, err, "tokenfile: not a JSON Web Token: "+reason)
		assert.Zero(t, token, "no token with an error")
		assert.Empty(t, leak(err.Error(), raw))
	}
}

func TestTokenIsPlainDataWithoutTheRawToken(t *testing.T) {
	raw := realTokens(t)["token-pod-bound"]
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)

	data, err := json.Marshal(token)
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"issuer": "https://127.0.0.1:33345",
		"subject": "system:serviceaccount:rig:app",
		"audience": ["api://AzureADTokenExchange"],
		"issuedAt": "2026-11-22T12:01:13Z",
		"notBefore": "2026-11-22T12:01:13Z",
		"expiry": "2026-11-22T13:01:13Z",
		"id": "f2a712c9-557a-4db2-a3dc-3084906d0a04",
		"keyID": "dof7qvEFFncZpay3HYJ1r48IEE0QJ1SZmUN1dd8APMw",
		"algorithm": "RS256",
		"kubernetes": {
			"namespace": "rig",
			"serviceaccount": {"name": "app", "uid": "a2d8e976-054c-4b41-9633-b11010ef0ef1"},
			"pod": {"name": "app-0", "uid": "5755e690-65e8-41c6-be21-107a394d131b"}
		}
	}`, string(data))

	var back tokenfile.Token
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, token, back)

	for _, printed := range []string{string(data), fmt.Sprintf("%v", token), fmt.Sprintf("%+v", token), fmt.Sprintf("%#v", token)} {
		assert.Empty(t, leak(printed, raw))
	}

	empty, err := json.Marshal(tokenfile.Token{})
	require.NoError(t, err)
	assert.JSONEq(t, `{}`, string(empty))
}

// parseErrors matches every text that Parse may return. Only the number of segments varies with the
// input, so the texts reveal nothing of it.
var parseErrors = regexp.MustCompile(`^tokenfile: not a JSON Web Token: (` + strings.Join([]string{
	`it is empty`,
	`a JWT has 3 segments, and it has \d+`,
	`it contains a line break`,
	`its header is not a JSON object in base64url`,
	`its claims are not a JSON object in base64url`,
	`its signature is empty`,
	`its signature is not base64url`,
	`its (alg|kid|iss|sub|jti) is not a string`,
	`its aud is not a string or an array of strings`,
	`its (iat|nbf|exp) is not a number of seconds within the years 0 to 9999`,
	`its kubernetes\.io is not an object as Kubernetes writes it`,
}, "|") + `)$`)

func FuzzParse(f *testing.F) {
	for _, raw := range realTokens(f) {
		f.Add(raw)
	}
	for raw := range malformedTokens {
		f.Add(raw)
	}
	f.Add(compact(`{"aud":"a","exp":1795352473.5,"nbf":-0.5,"kubernetes.io":{"namespace":"n"}}`))
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := tokenfile.Parse(raw)
		if err != nil {
			require.ErrorIs(t, err, tokenfile.ErrMalformed)
			require.Regexp(t, parseErrors, err.Error())
			return
		}
		for _, at := range []time.Time{token.IssuedAt, token.NotBefore, token.Expiry} {
			require.GreaterOrEqual(t, at.Year(), 0)
			require.LessOrEqual(t, at.Year(), 9999)
		}
		_, err = json.Marshal(token)
		require.NoError(t, err)
	})
}
