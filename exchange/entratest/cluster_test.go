package entratest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestClusterTokenHasTheShapeOfARealOne(t *testing.T) {
	text, err := os.ReadFile("testdata/tokens.json")
	require.NoError(t, err)
	recorded := decode[map[string]struct{ Header, Payload string }](t, string(text))
	for name, request := range map[string]entratest.TokenRequest{
		"token-pod-bound":        {Namespace: "rig", ServiceAccount: "app", Pod: "app-0"},
		"token-24h":              {Namespace: "rig", ServiceAccount: "app", Lifetime: 24 * time.Hour},
		"token-identity-binding": {Namespace: "rig", ServiceAccount: "app", Audiences: []string{"api://AKSIdentityBinding"}},
		"token-two-audiences":    {Namespace: "rig", ServiceAccount: "app", Audiences: []string{"api://AzureADTokenExchange", "second"}, Lifetime: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := new(entratest.Cluster).Token(request)
			require.NoError(t, err)
			header, claims := parts(t, raw)
			assert.Equal(t, shape(decode[any](t, recorded[name].Header)), shape(header))
			want := decode[map[string]any](t, recorded[name].Payload)
			assert.Equal(t, shape(want), shape(claims))
			assert.Equal(t, want["sub"], claims["sub"])
			assert.Equal(t, want["aud"], claims["aud"])
			assert.Equal(t, want["exp"].(float64)-want["iat"].(float64), claims["exp"].(float64)-claims["iat"].(float64))
			assert.Equal(t, claims["iat"], claims["nbf"])
		})
	}
}

// parts decodes header and claims without verifying.
func parts(t *testing.T, raw string) (header, claims map[string]any) {
	t.Helper()
	into := jwt.MapClaims{}
	token, _, err := jwt.NewParser().ParseUnverified(raw, &into)
	require.NoError(t, err)
	return token.Header, into
}

// shape replaces each value by the name of its type, so that only members and nesting remain.
func shape(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			out[name] = shape(member)
		}
		return out
	case []any:
		var out []any
		for _, element := range v {
			out = append(out, shape(element))
		}
		return out
	case float64:
		return "number"
	default:
		return "string"
	}
}

func TestClusterTokenDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, err := new(entratest.Cluster).Token(entratest.TokenRequest{})
		require.NoError(t, err)
		_, claims := parts(t, raw)
		now := float64(time.Now().Unix())
		assert.Equal(t, entratest.DefaultIssuer, claims["iss"])
		assert.Equal(t, "system:serviceaccount:default:default", claims["sub"])
		assert.Equal(t, []any{"api://AzureADTokenExchange"}, claims["aud"])
		assert.Equal(t, now, claims["iat"])
		assert.Equal(t, now, claims["nbf"])
		assert.Equal(t, now+3600, claims["exp"])
	})
}

func TestClusterTokenThatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, err := new(entratest.Cluster).Token(entratest.TokenRequest{Lifetime: -time.Minute})
		require.NoError(t, err)
		_, claims := parts(t, raw)
		assert.EqualValues(t, time.Now().Unix()-60, claims["exp"])
		assert.EqualValues(t, time.Now().Unix()-60-3600, claims["iat"])
	})
}

func TestClusterTokensDifferOnlyInTheirID(t *testing.T) {
	c := new(entratest.Cluster)
	request := entratest.TokenRequest{Pod: "app-0", Node: "node-1"}
	first, err := c.Token(request)
	require.NoError(t, err)
	second, err := c.Token(request)
	require.NoError(t, err)
	_, a := parts(t, first)
	_, b := parts(t, second)

	assert.NotEqual(t, a["jti"], b["jti"])
	assert.Equal(t, a["kubernetes.io"], b["kubernetes.io"])
	assert.Equal(t, "node-1", a["kubernetes.io"].(map[string]any)["node"].(map[string]any)["name"])
	assert.Len(t, a["kubernetes.io"].(map[string]any)["pod"].(map[string]any)["uid"], 36)
}

func TestClusterServesDiscovery(t *testing.T) {
	for name, suffix := range map[string]string{"at the root": "", "with a slash": "/", "below a path": "/tenant/cluster/"} {
		t.Run(name, func(t *testing.T) {
			c := new(entratest.Cluster)
			web := httptest.NewTLSServer(c)
			defer web.Close()
			c.Issuer = web.URL + suffix
			base := strings.TrimSuffix(c.Issuer, "/")

			reply, err := web.Client().Get(base + "/.well-known/openid-configuration")
			require.NoError(t, err)
			assert.Equal(t, "application/json", reply.Header.Get("Content-Type"))
			assert.Equal(t, `{"issuer":"`+c.Issuer+`","jwks_uri":"`+base+`/openid/v1/jwks","response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`, read(t, reply))

			reply, err = web.Client().Get(base + "/openid/v1/jwks")
			require.NoError(t, err)
			assert.Equal(t, "application/jwk-set+json", reply.Header.Get("Content-Type"))
			keys := decode[keySet](t, read(t, reply))
			raw, err := c.Token(entratest.TokenRequest{})
			require.NoError(t, err)
			assert.Equal(t, c.Issuer, verify(t, raw, keys)["iss"])
		})
	}
}

func TestClusterRefusesOtherRequests(t *testing.T) {
	c := new(entratest.Cluster)
	for path, status := range map[string]int{
		"/.well-known/openid-configuration": http.StatusNotFound, // the default issuer has a path
		"/":                                 http.StatusNotFound,
	} {
		recorder := httptest.NewRecorder()
		c.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		assert.Equal(t, status, recorder.Code, path)
	}
	recorder := httptest.NewRecorder()
	c.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, recorder.Code)
	recorder = httptest.NewRecorder()
	(&entratest.Cluster{Issuer: "https://a b/%"}).ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusInternalServerError, recorder.Code)
}

func clusterKeys(t *testing.T, c *entratest.Cluster) keySet {
	t.Helper()
	path := strings.TrimPrefix(c.Issuer, "https://cluster.example") + "/openid/v1/jwks"
	recorder := httptest.NewRecorder()
	c.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	require.Equal(t, http.StatusOK, recorder.Code)
	var keys keySet
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &keys))
	return keys
}

func TestClusterKeyRotation(t *testing.T) {
	c := &entratest.Cluster{Issuer: "https://cluster.example"}
	c.DropOldKeys() // nothing to drop
	before, err := c.Token(entratest.TokenRequest{})
	require.NoError(t, err)
	c.RotateKey()
	after, err := c.Token(entratest.TokenRequest{})
	require.NoError(t, err)

	keys := clusterKeys(t, c)
	assert.Len(t, keys.Keys, 2)
	verify(t, before, keys)
	verify(t, after, keys)

	c.DropOldKeys()
	keys = clusterKeys(t, c)
	assert.Len(t, keys.Keys, 1)
	verify(t, after, keys)
	_, err = jwt.Parse(before, keys.find)
	assert.ErrorIs(t, err, jwt.ErrTokenUnverifiable)
}

// Do answers like ServeHTTP, but without a socket.
func TestClusterAnswersWithoutASocket(t *testing.T) {
	const configuration = entratest.DefaultIssuer + ".well-known/openid-configuration"
	synctest.Test(t, func(t *testing.T) {
		var cluster entratest.Cluster
		reply, err := cluster.Do(get(t, configuration))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, reply.StatusCode)
		assert.Equal(t, "application/json", reply.Header.Get("Content-Type"))
		assert.Equal(t, configuration, reply.Request.URL.String())
		assert.Contains(t, read(t, reply), `"issuer":"`+entratest.DefaultIssuer+`"`)

		reply, err = cluster.Do(post(t, nil))
		require.NoError(t, err)
		assert.Equal(t, http.StatusMethodNotAllowed, reply.StatusCode)
		cluster.SetUnavailable(true)
		reply, err = cluster.Do(get(t, configuration))
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, reply.StatusCode)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = cluster.Do(get(t, configuration).WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
	})
}
