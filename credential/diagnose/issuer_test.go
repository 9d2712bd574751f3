package diagnose_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	configurationURL = entratest.DefaultIssuer + ".well-known/openid-configuration"
	keysURL          = entratest.DefaultIssuer + "openid/v1/jwks"
)

// What is odd as seen from here is a warning: Entra ID, which sees it from elsewhere, took the token.
func TestIssuerIsLookedAtFromHere(t *testing.T) {
	configuration := func(issuer, keys string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, keys) }
	for name, row := range map[string]struct {
		at    string
		reply *http.Response
		want  string
	}{
		"not found":             {configurationURL, reply(404, "no"), "answers HTTP 404 Not Found"},
		"redirect":              {configurationURL, reply(302, "", "Location", "https://sign.in/here"), `redirects to "https://sign.in/here", which is not followed`},
		"page":                  {configurationURL, reply(200, "<html>sign in</html>", "Content-Type", "text/html"), "is not the JSON document that it has to be, but text/html"},
		"nothing":               {configurationURL, reply(200, ""), "but of no media type"},
		"too much":              {configurationURL, reply(200, strings.Repeat(" ", 1<<20+1)), "has more than 1 MiB"},
		"slash":                 {configurationURL, reply(200, configuration(strings.TrimSuffix(entratest.DefaultIssuer, "/"), keysURL)), "they differ by the slash at the end, and it counts"},
		"another's":             {configurationURL, reply(200, configuration("https://other.example", keysURL)), `calls itself "https://other.example"`},
		"keys without TLS":      {configurationURL, reply(200, configuration(entratest.DefaultIssuer, "http://other.example/keys")), "not an https URL, so it is not asked"},
		"keys with a user":      {configurationURL, reply(200, configuration(entratest.DefaultIssuer, "https://u:p@other.example/keys")), "a URL with a user or a fragment in it is not asked"},
		"keys far away":         {configurationURL, reply(200, configuration(entratest.DefaultIssuer, "https://other.example/"+strings.Repeat("k", 1<<19))), "a URL of more than 1500 characters is not asked"},
		"keys that are no JSON": {keysURL, reply(200, "keys"), "is not the JSON document"},
		"no keys":               {keysURL, reply(200, `{"keys":[]}`), "not among those that the issuer publishes"},
		"unusable keys":         {keysURL, reply(200, `{"keys":[{"kty":"EC"},{"kty":"RSA","n":"!","e":"AQAB"},{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},null]}`), "not among those"},
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

func TestIssuerThatIsNoPublicURLIsNotAsked(t *testing.T) {
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
		require.Contains(t, fmt.Sprint(l.Facts), "is not asked", issuer)
	}
}

// An unverified token says where the request goes, so the request must hold nothing.
func TestIssuerGetsNothingOfTheToken(t *testing.T) {
	p := newPod(t)
	var asked []string
	over(p, func(r *http.Request) *http.Response {
		if r.URL.Host == "eastus.oic.prod-aks.azure.com" {
			asked = append(asked, r.URL.String())
			require.Equal(t, http.MethodGet, r.Method)
			require.Nil(t, r.Body)
			require.Empty(t, r.Header.Get("Authorization"))
			require.Len(t, r.Header, 1, "User-Agent alone")
		}
		return nil
	})
	run(t, p)
	require.Equal(t, []string{configurationURL, keysURL}, asked)
}

func TestIssuerThatHangsCostsTenSeconds(t *testing.T) {
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

// drip is a body of a byte a second. Like any transport's, it ends with the request's context.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		return copy(p, " "), nil
	}
}

func TestKeyIsFoundAmongTenThousand(t *testing.T) {
	p := newPod(t)
	under := p.HTTPClient.Transport
	over(p, func(r *http.Request) *http.Response {
		if r.URL.String() != keysURL {
			return nil
		}
		resp, err := under.RoundTrip(r)
		require.NoError(t, err)
		var set struct{ Keys []json.RawMessage }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&set))
		for i := range 10_000 {
			set.Keys = append(set.Keys, fmt.Appendf(nil, `{"kty":"RSA","kid":"k%d","n":"AQAB","e":"AQAB"}`, i))
		}
		keys, err := json.Marshal(map[string]any{"keys": set.Keys})
		require.NoError(t, err)
		return reply(200, string(keys))
	})
	l := link(t, run(t, p), diagnose.Issuer)
	require.Equal(t, diagnose.Fine, l.Mark, l)
	require.Contains(t, l.Facts, diagnose.Fact{Name: "keys published", Value: "10001"})
}
