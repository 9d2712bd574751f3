package diagnose_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
)

func TestReplyOfTheResourceIsJudged(t *testing.T) {
	for name, row := range map[string]struct {
		reply *http.Response
		want  diagnose.Mark
		words string
	}{
		"small body":   {reply(200, `{"value":"my data"}`), diagnose.Fine, "HTTP 200 OK"},
		"large body":   {reply(200, strings.Repeat("my data", 1<<18)), diagnose.Fine, "HTTP 200 OK"},
		"no body":      {reply(204, ""), diagnose.Fine, "HTTP 204"},
		"refused":      {reply(401, "", "WWW-Authenticate", `Bearer error="invalid_token", error_description="wrong audience"`), diagnose.Failure, "wrong audience"},
		"no role":      {reply(403, `{"error":{"code":"Forbidden","message":"no role"}}`), diagnose.Failure, "az role assignment create --assignee-object-id "},
		"wrong path":   {reply(404, "gone"), diagnose.Warning, "check the URL"},
		"redirect":     {reply(307, "", "Location", "https://elsewhere.example"), diagnose.Failure, `redirects to "https://elsewhere.example", which is not followed`},
		"overloaded":   {reply(429, "slow down"), diagnose.Failure, "overloaded or down"},
		"cut off":      {&http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))}, diagnose.Failure, "reading https://orders"},
		"binary reply": {reply(403, "\xff\xfe\x00"), diagnose.Failure, "HTTP 403"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			over(p, func(r *http.Request) *http.Response {
				if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
					return row.reply
				}
				return nil
			})
			r := run(t, p)
			l := link(t, r, diagnose.Resource)
			require.Equal(t, row.want, l.Mark, r)
			require.Equal(t, name == "overloaded" || name == "cut off", l.Transient, "everything else needs a fix")
			require.Contains(t, fmt.Sprint(l.Facts, l.Findings), row.words)
			require.NotContains(t, r.String(), "my data")
		})
	}
}

// A key vault's code says why it refuses. The fix is a role only if that is what is missing.
func TestVaultsCodeIsExplained(t *testing.T) {
	for name, want := range map[string]string{
		"vault-firewall":             "az keyvault network-rule add",
		"vault-private":              "private endpoint",
		"no-access-policy":           "all that the identity already has, because the command replaces them: az keyvault set-policy --object-id ",
		"no-role-assignment":         "az role assignment create --assignee-object-id ",
		"token-for-another-resource": "ask for https://vault.azure.net/.default",
		"vault-of-another-tenant":    "AZURE_TENANT_ID",
	} {
		p := newPod(t)
		setup, ok := setups.Of(name)
		require.True(t, ok)
		require.NoError(t, setup.Break(p))
		setenv(t, p)
		found := link(t, run(t, p), diagnose.Resource).Findings
		require.Len(t, found, 1)
		require.Contains(t, found[0].Fix, want)
		require.Equal(t, name == "no-role-assignment", strings.Contains(found[0].Fix, "role assignment"))
	}
}

// A resource may echo the access token, but a report, which may go to a ticket, must not show it.
func TestEchoedAccessTokenIsNotShown(t *testing.T) {
	p := newPod(t)
	var signature string
	over(p, func(r *http.Request) *http.Response {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			signature = token[strings.LastIndex(token, ".")+1:][:40]
			return reply(401, "you sent "+token+" and "+signature, "WWW-Authenticate", "Bearer "+signature)
		}
		return nil
	})
	for form, text := range texts(t, run(t, p)) {
		require.NotContains(t, text, signature, form)
		require.Contains(t, text, "[redacted]", form)
	}
}

func TestAccessTokenIsSentOnlyOverTLS(t *testing.T) {
	for _, url := range []string{"http://orders.vault.azure.net/secrets", "orders.vault.azure.net", "https://u@orders.vault.azure.net", ":"} {
		p := newPod(t)
		p.Resource = url
		over(p, func(r *http.Request) *http.Response {
			require.Empty(t, r.Header.Get("Authorization"))
			return nil
		})
		r := run(t, p)
		require.Equal(t, diagnose.Misconfigured, r.Verdict)
		require.Equal(t, diagnose.Failure, link(t, r, diagnose.Resource).Mark)
	}
}

// People paste the command into a shell, so it must contain nothing from the token but a GUID.
func TestRoleAssignmentNamesTheObjectID(t *testing.T) {
	forged := func(claims string) string {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
	}
	for access, want := range map[string]string{
		"an-opaque-token-for-the-resource-alone":                 "--assignee-object-id OBJECT-ID --",
		forged(`{"oid":"x; rm -rf ~"}`):                          "--assignee-object-id OBJECT-ID --",
		forged(`{"oid":"244fc381-80e3-8e3d-8430-51d39f0d0af0"}`): "--assignee-object-id 244fc381-80e3-8e3d-8430-51d39f0d0af0 --",
	} {
		p := newPod(t)
		p.Entra.SetReply(&entratest.Reply{Status: http.StatusOK, Body: fmt.Sprintf(`{"token_type":"Bearer","expires_in":3599,"access_token":%q}`, access)})
		over(p, func(r *http.Request) *http.Response {
			if r.Header.Get("Authorization") != "" {
				return reply(403, "")
			}
			return nil
		})
		require.Contains(t, link(t, run(t, p), diagnose.Resource).Findings[0].Fix, want)
	}
}

func TestResourceIsOptional(t *testing.T) {
	p := newPod(t)
	p.Resource = ""
	r := run(t, p)
	require.Equal(t, diagnose.OK, r.Verdict)
	require.Equal(t, diagnose.AccessToken, r.Links[len(r.Links)-1].Name)
}
