package diagnose_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
)

const (
	configurationURL = entratest.DefaultIssuer + ".well-known/openid-configuration"
	keysURL          = entratest.DefaultIssuer + "openid/v1/jwks"
)

// A problem with the issuer is only a warning if Entra ID, which sees the issuer from elsewhere,
// accepts the token.
func TestProblemsOfTheIssuerAreWarnings(t *testing.T) {
	configuration := func(issuer, keys string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, keys) }
	for name, row := range map[string]struct {
		at    string
		reply *http.Response
		want  string
	}{
		"not found":                {configurationURL, reply(404, "no"), "answered HTTP 404 Not Found"},
		"redirect":                 {configurationURL, reply(302, "", "Location", "https://sign.in/here"), `redirects to "https://sign.in/here", which is not followed`},
		"page":                     {configurationURL, reply(200, "<html>sign in</html>", "Content-Type", "text/html"), "is not the expected JSON document (media type: text/html)"},
		"empty reply":              {configurationURL, reply(200, ""), "(media type: none)"},
		"too large":                {configurationURL, reply(200, strings.Repeat(" ", 1<<20+1)), "is larger than 1 MiB"},
		"slash":                    {configurationURL, reply(200, configuration(strings.TrimSuffix(entratest.DefaultIssuer, "/"), keysURL)), "they differ only in the slash at the end, which matters"},
		"another issuer's":         {configurationURL, reply(200, configuration("https://other.example", keysURL)), `names the issuer "https://other.example"`},
		"keys without TLS":         {configurationURL, reply(200, configuration(entratest.DefaultIssuer, "http://other.example/keys")), "the URL is not https or has no host, so it was not fetched"},
		"keys with a user":         {configurationURL, reply(200, configuration(entratest.DefaultIssuer, "https://u:p@other.example/keys")), "the URL has a user or a fragment, so it was not fetched"},
		"keys behind a signed URL": {configurationURL, reply(200, configuration(entratest.DefaultIssuer, "https://other.example/keys?sig=hunter2")), "GET https://other.example/keys?sig=…"},
		"keys at a long URL":       {configurationURL, reply(200, configuration(entratest.DefaultIssuer, "https://other.example/"+strings.Repeat("k", 1<<19))), "the URL is longer than 1500 characters, so it was not fetched"},
		"keys that are not JSON":   {keysURL, reply(200, "keys"), "is not the expected JSON document"},
		"no keys":                  {keysURL, reply(200, `{"keys":[]}`), "does not publish the key"},
		"unusable keys":            {keysURL, reply(200, `{"keys":[{"kty":"EC"},{"kty":"RSA","n":"!","e":"AQAB"},{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},null]}`), "does not publish the key"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			over(p, func(r *http.Request) *http.Response {
				if r.URL.String() == row.at {
					return row.reply
				}
				return nil
			})
			r := run(t, p)
			require.Equal(t, diagnose.OK, r.Verdict, r)
			l := link(t, r, diagnose.Issuer)
			require.Equal(t, diagnose.Warning, l.Mark)
			require.NotEmpty(t, l.Findings[0].Fix)
			require.Contains(t, fmt.Sprint(l.Facts, l.Findings), row.want)
		})
	}
}

func TestOnlyHTTPSIssuersAreFetched(t *testing.T) {
	for _, issuer := range []string{"http://issuer.example", "kubernetes/serviceaccount", "https://user@issuer.example", "https://issuer.example/#x", "https://issuer.example/#", "https://issuer.example/" + strings.Repeat("x", 1<<19), "file:///etc/passwd", "https://"} {
		p := newPod(t)
		foreign := &entratest.Cluster{Issuer: issuer}
		token, err := foreign.Token(entratest.TokenRequest{})
		require.NoError(t, err)
		p.Options.Assertion = fixed(token)
		over(p, func(r *http.Request) *http.Response {
			require.NotContains(t, []string{"issuer.example", ""}, r.URL.Hostname(), issuer)
			return nil
		})
		l := link(t, run(t, p), diagnose.Issuer)
		require.NotEqual(t, diagnose.Fine, l.Mark)
		require.Contains(t, fmt.Sprint(l.Facts, l.Findings), "was not fetched", issuer)
	}
}

// The issuer comes from an unverified token, so requests to it must contain nothing of the token.
func TestIssuerReceivesNothingOfTheToken(t *testing.T) {
	p := newPod(t)
	var asked []string
	over(p, func(r *http.Request) *http.Response {
		if r.URL.Host == "eastus.oic.prod-aks.azure.com" {
			asked = append(asked, r.URL.String())
			require.Equal(t, http.MethodGet, r.Method)
			require.Nil(t, r.Body)
			require.Empty(t, r.Header.Get("Authorization"))
			require.Len(t, r.Header, 1, "only User-Agent")
		}
		return nil
	})
	run(t, p)
	require.Equal(t, []string{configurationURL, keysURL}, asked)
}

func TestHangingIssuerTakesTenSeconds(t *testing.T) {
	for name, hang := range map[string]func(context.Context) *http.Response{
		"before its reply": func(ctx context.Context) *http.Response {
			<-ctx.Done()
			return nil
		},
		"within its reply": func(ctx context.Context) *http.Response {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(drip{ctx})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBubblePod(t)
				over(p, func(r *http.Request) *http.Response {
					if r.URL.String() == configurationURL {
						return hang(r.Context())
					}
					return nil
				})
				start := time.Now()
				r := run(t, p)
				require.Equal(t, 10*time.Second, time.Since(start))
				require.Equal(t, diagnose.OK, r.Verdict)
				require.Equal(t, 10*time.Second, link(t, r, diagnose.Issuer).Took)
			})
		})
	}
}

// drip is a body that sends one byte a second. Like any transport's, it ends with the request's
// context.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		return copy(p, " "), nil
	}
}

// published replaces the issuer's key set.
func published(t *testing.T, p *setups.Pod, change func(keys []map[string]any) []map[string]any) {
	t.Helper()
	under := p.HTTPClient.Transport
	over(p, func(r *http.Request) *http.Response {
		if r.URL.String() != keysURL {
			return nil
		}
		resp, err := under.RoundTrip(r)
		require.NoError(t, err)
		var set struct{ Keys []map[string]any }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&set))
		keys, err := json.Marshal(map[string]any{"keys": change(set.Keys)})
		require.NoError(t, err)
		return reply(200, string(keys))
	})
}

// with returns a copy of a key with one member changed.
func with(key map[string]any, member string, value any) map[string]any {
	key = maps.Clone(key)
	key[member] = value
	return key
}

func TestKeyIsFoundAmongTenThousand(t *testing.T) {
	p := newPod(t)
	published(t, p, func(keys []map[string]any) []map[string]any {
		for i := range 10_000 {
			keys = append(keys, map[string]any{"kty": "RSA", "kid": fmt.Sprint("k", i), "n": "AQAB", "e": "AQAB"})
		}
		return keys
	})
	l := link(t, run(t, p), diagnose.Issuer)
	require.Equal(t, diagnose.Fine, l.Mark, l)
	require.Contains(t, l.Facts, diagnose.Fact{Name: "keys published", Value: "10001"})
}

// One malformed key does not invalidate the others (RFC 7517, section 5).
func TestMalformedKeysAreSkipped(t *testing.T) {
	for member, value := range map[string]any{"kid": 7, "use": []string{"sig"}, "n": nil, "x5c": "MII", "kty": true} {
		p := newPod(t)
		published(t, p, func(keys []map[string]any) []map[string]any {
			other := with(keys[0], "kid", "other")
			return append([]map[string]any{with(other, member, value), nil}, keys...)
		})
		require.Equal(t, diagnose.Fine, link(t, run(t, p), diagnose.Issuer).Mark, member)
	}
}

// A malformed key that signed the token is explained.
func TestMalformedKeyOfTheTokenIsExplained(t *testing.T) {
	for name, row := range map[string]struct {
		change func(keys []map[string]any) []map[string]any
		words  string
	}{
		"array use": {func(keys []map[string]any) []map[string]any {
			return []map[string]any{with(keys[0], "use", []string{"sig"})}
		}, "in an unusable form: its use is a JSON array"},
		"two keys with the same ID": {func(keys []map[string]any) []map[string]any {
			return append(keys, with(keys[0], "n", strings.Repeat("AQAB", 64)))
		}, "publishes 2 keys with the token's key ID"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			published(t, p, row.change)
			l := link(t, run(t, p), diagnose.Issuer)
			require.Equal(t, diagnose.Warning, l.Mark, l)
			require.Len(t, l.Findings, 1, l)
			require.Contains(t, l.Findings[0].Problem, row.words)
		})
	}
}
