package entratest_test

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestZeroServerIssuesThroughDo(t *testing.T) {
	s := new(entratest.Server)
	request := post(t, validForm(t))
	reply, body := do(t, s, request)

	assert.Equal(t, http.StatusOK, reply.StatusCode)
	assert.Equal(t, "200 OK", reply.Status)
	assert.Same(t, request, reply.Request)
	assert.EqualValues(t, len(body), reply.ContentLength)
	token := decode[tokenReply](t, body)
	assert.Equal(t, "Bearer", token.TokenType)
	assert.EqualValues(t, 3599, token.ExpiresIn)
	assert.EqualValues(t, 3599, token.ExtExpiresIn)
	assert.Nil(t, token.RefreshIn)
	assert.NotEmpty(t, token.AccessToken)
}

func TestZeroServerIssuesOverTLS(t *testing.T) {
	web := httptest.NewTLSServer(new(entratest.Server))
	defer web.Close()
	reply, err := web.Client().PostForm(web.URL+"/contoso/oauth2/v2.0/token", validForm(t))
	require.NoError(t, err)
	body := read(t, reply)

	assert.Equal(t, http.StatusOK, reply.StatusCode)
	assert.NotEmpty(t, decode[tokenReply](t, body).AccessToken)
}

func TestReplyHasEntrasHeaders(t *testing.T) {
	for name, form := range map[string]url.Values{"success": validForm(t), "refusal": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reply, _ := do(t, new(entratest.Server), post(t, form))
				for header, value := range map[string]string{
					"Cache-Control":             "no-store, no-cache",
					"Pragma":                    "no-cache",
					"Content-Type":              "application/json; charset=utf-8",
					"Expires":                   "-1",
					"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
					"X-Content-Type-Options":    "nosniff",
					"Date":                      "Sat, 01 Jan 2000 00:00:00 GMT",
				} {
					assert.Equal(t, value, reply.Header.Get(header), header)
				}
				assert.NotEmpty(t, reply.Header.Get("P3P"))
				assert.NotEmpty(t, reply.Header.Get("x-ms-ests-server"))
				assert.Len(t, reply.Header.Get("x-ms-request-id"), 36)
			})
		})
	}
}

func TestAccessTokenVerifiesAndHasEntrasClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &entratest.Server{Lifetime: 2 * time.Hour, RefreshIn: time.Hour}
		time.Sleep(90 * time.Minute) // lifetimes count from the bubble's time
		_, body := do(t, s, post(t, validForm(t)))
		reply := decode[tokenReply](t, body)
		assert.EqualValues(t, 7200, reply.ExpiresIn)
		require.NotNil(t, reply.RefreshIn)
		assert.EqualValues(t, 3600, *reply.RefreshIn)

		for _, keys := range []string{"/contoso/discovery/v2.0/keys", "/common/discovery/keys"} {
			claims := verify(t, reply.AccessToken, fetchKeys(t, s, "https://login.microsoftonline.com"+keys))
			now := time.Now().Unix()
			object := claims["oid"]
			assert.Len(t, object, 36)
			uti := claims["uti"]
			assert.NotEmpty(t, uti)
			assert.Equal(t, jwt.MapClaims{
				"aud": "https://vault.azure.net", "iss": "https://sts.windows.net/" + contosoID + "/", "ver": "1.0",
				"iat": float64(now), "nbf": float64(now), "exp": float64(now + 7200),
				"appid": clientID, "appidacr": "2", "tid": contosoID, "oid": object, "sub": object, "idtyp": "app", "uti": uti,
			}, claims)
		}
	})
}

func TestAccessTokensDifferButKeepTheirObjectID(t *testing.T) {
	s := new(entratest.Server)
	keys := fetchKeys(t, s, "https://login.microsoftonline.com/common/discovery/v2.0/keys")
	var tokens []string
	objects := map[any]bool{}
	for range 3 {
		_, body := do(t, s, post(t, validForm(t)))
		token := decode[tokenReply](t, body).AccessToken
		assert.NotContains(t, tokens, token)
		tokens = append(tokens, token)
		objects[verify(t, token, keys)["oid"]] = true
	}
	assert.Len(t, objects, 1)
	_, body := do(t, s, post(t, with(validForm(t), "client_id", "another")))
	assert.NotContains(t, objects, verify(t, decode[tokenReply](t, body).AccessToken, keys)["oid"])
}

func TestEachServerHasItsOwnSigningKeys(t *testing.T) {
	published := func(s *entratest.Server) keySet {
		return fetchKeys(t, s, "https://login.microsoftonline.com/common/discovery/keys")
	}
	issued := func(s *entratest.Server) string {
		_, body := do(t, s, post(t, validForm(t)))
		return decode[tokenReply](t, body).AccessToken
	}
	seen := map[string]bool{}
	for range 7 { // more than the first primes can make
		s := new(entratest.Server)
		token := issued(s)
		_, err := new(entratest.Server).VerifyToken(token, "")
		require.ErrorContains(t, err, "this server has no key with that ID")
		verify(t, token, published(s))
		key := published(s).Keys[0].N
		assert.False(t, seen[key])
		seen[key] = true
	}

	s := new(entratest.Server)
	before := issued(s)
	s.RotateKey()
	after := issued(s)
	require.Len(t, published(s).Keys, 2)
	verify(t, before, published(s))
	verify(t, after, published(s))
	s.DropOldKeys()
	require.Len(t, published(s).Keys, 1)
	claimsOf(t, s, after, "")
	_, err := s.VerifyToken(before, "")
	require.Error(t, err)
}

func TestAudienceIsTheScopeWithoutDefault(t *testing.T) {
	for scope, audience := range map[string]string{
		"https://vault.azure.net/.default":                                 "https://vault.azure.net",
		"https://management.azure.com//.default":                           "https://management.azure.com/",
		"api://app/.default":                                               "api://app",
		"9f6f1f2e-0000-4000-8000-000000000000/.default":                    "9f6f1f2e-0000-4000-8000-000000000000",
		"openid https://vault.azure.net/.default offline_access profile":   "https://vault.azure.net",
		"https://x.example/.default https://second-resource.test/.default": "https://x.example",
	} {
		t.Run(scope, func(t *testing.T) {
			s := new(entratest.Server)
			_, body := do(t, s, post(t, with(validForm(t), "scope", scope)))
			keys := fetchKeys(t, s, "https://login.microsoftonline.com/common/discovery/keys")
			assert.Equal(t, audience, verify(t, decode[tokenReply](t, body).AccessToken, keys)["aud"])
		})
	}
}

func TestAccessTokenRepeatsTheCP1Capability(t *testing.T) {
	for claims, want := range map[string]any{
		`{"access_token":{"xms_cc":{"values":["cp1"]}}}`:                                          []any{"CP1"},
		`{"access_token":{"xms_cc":{"values":["x","CP1"]},"nbf":{"essential":true,"value":"1"}}}`: []any{"CP1"},
		`{"access_token":{"xms_cc":{"values":["protapp"]}}}`:                                      nil,
		`{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`:                        nil,
		`{"access_token":"odd"}`: nil,
	} {
		t.Run(claims, func(t *testing.T) {
			s := new(entratest.Server)
			_, body := do(t, s, post(t, with(validForm(t), "claims", claims)))
			keys := fetchKeys(t, s, "https://login.microsoftonline.com/common/discovery/keys")
			assert.Equal(t, want, verify(t, decode[tokenReply](t, body).AccessToken, keys)["xms_cc"])
		})
	}
}

func TestRequestsHaveKindAndFieldsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(entratest.Server)
		form := with(validForm(t), "claims", `{"access_token":{}}`)
		for _, target := range []string{
			"https://h/common/discovery/instance?authorization_endpoint=https%3A%2F%2Fh%2Ft%2Foauth2%2Fv2.0%2Fauthorize",
			"https://h/t/v2.0/.well-known/openid-configuration",
			"https://h/t/discovery/v2.0/keys",
			"https://h/common/discovery/keys",
			"https://h/somewhere/else",
		} {
			do(t, s, get(t, target))
		}
		time.Sleep(time.Minute)
		r := post(t, form)
		r.Header.Set("client-request-id", clientID)
		do(t, s, r)

		var kinds []entratest.Kind
		for _, request := range s.Requests() {
			kinds = append(kinds, request.Kind)
		}
		assert.Equal(t, []entratest.Kind{
			entratest.KindInstanceDiscovery, entratest.KindOpenIDConfiguration, entratest.KindKeys, entratest.KindKeys,
			entratest.KindOther, entratest.KindToken,
		}, kinds)
		got := s.Requests()[5]
		assert.Equal(t, http.MethodPost, got.Method)
		assert.Equal(t, "login.microsoftonline.com", got.Host)
		assert.Equal(t, "/contoso/oauth2/v2.0/token", got.Path)
		assert.Equal(t, "contoso", got.TenantID)
		assert.Equal(t, clientID, got.ClientID)
		assert.Equal(t, form.Get("scope"), got.Scope)
		assert.Equal(t, form.Get("client_assertion"), got.Assertion)
		assert.Equal(t, form.Get("claims"), got.Claims)
		assert.Equal(t, clientID, got.CorrelationID)
		assert.Equal(t, form, got.Form)
		assert.True(t, time.Now().Equal(got.Time))
	})
}

func TestRequestsAreCopies(t *testing.T) {
	s := new(entratest.Server)
	do(t, s, post(t, validForm(t)))
	first := s.Requests()
	first[0].Form.Set("client_id", "changed")
	first[0].Header.Set("Content-Type", "changed")
	first[0].ClientID = "changed"

	again := s.Requests()[0]
	assert.Equal(t, clientID, again.Form.Get("client_id"))
	assert.Equal(t, "application/x-www-form-urlencoded", again.Header.Get("Content-Type"))
	assert.Equal(t, clientID, again.ClientID)
}

func TestDoBehavesLikeATransport(t *testing.T) {
	s := new(entratest.Server)
	t.Run("closes the body", func(t *testing.T) {
		r, body := post(t, validForm(t)), new(closeCounter)
		body.Reader = strings.NewReader(validForm(t).Encode())
		r.Body = body
		do(t, s, r)
		assert.Equal(t, 1, body.closed)
	})
	t.Run("sends nothing for an ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := len(s.Requests())
		_, err := s.Do(post(t, validForm(t)).WithContext(ctx))
		assert.ErrorIs(t, err, context.Canceled)
		assert.Len(t, s.Requests(), before)
	})
	t.Run("returns no body for HEAD", func(t *testing.T) {
		r := get(t, "https://h/t/discovery/v2.0/keys")
		r.Method = http.MethodHead
		reply, body := do(t, s, r)
		assert.Empty(t, body)
		assert.Positive(t, reply.ContentLength)
	})
	t.Run("does not change a request without a body", func(t *testing.T) {
		r := get(t, "https://h/t/discovery/v2.0/keys")
		do(t, s, r)
		assert.Nil(t, r.Body)
	})
}

type closeCounter struct {
	*strings.Reader
	closed int
}

func (c *closeCounter) Close() error { c.closed++; return nil }

func TestServerIsSafeForConcurrentUse(t *testing.T) {
	s, form := new(entratest.Server), validForm(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			reply, err := s.Do(post(t, form))
			if assert.NoError(t, err) {
				assert.Equal(t, http.StatusOK, reply.StatusCode)
			}
			s.Enqueue(entratest.Reply{Delay: time.Nanosecond})
			s.SetDelay(0)
			s.SetReply(nil)
			s.Requests()
		})
	}
	group.Wait()
	assert.Len(t, s.Requests(), 8)
}

type keySet struct {
	Keys []struct{ Kid, Kty, Use, N, E string }
}

func fetchKeys(t testing.TB, s *entratest.Server, target string) keySet {
	t.Helper()
	reply, body := do(t, s, get(t, target))
	require.Equal(t, http.StatusOK, reply.StatusCode)
	return decode[keySet](t, body)
}

func (set keySet) find(token *jwt.Token) (any, error) {
	for _, key := range set.Keys {
		if key.Kid != token.Header["kid"] {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(key.N)
		if err != nil {
			return nil, err
		}
		e, err := base64.RawURLEncoding.DecodeString(key.E)
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, err
	}
	return nil, jwt.ErrTokenUnverifiable
}

func verify(t testing.TB, raw string, keys keySet) jwt.MapClaims {
	t.Helper()
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(raw, &claims, keys.find, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired())
	require.NoError(t, err)
	return claims
}
