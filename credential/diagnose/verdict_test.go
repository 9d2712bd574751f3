package diagnose_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// A diagnosis of each reply that package entratest can script, and of each way in which a network
// fails: the verdict, the link, and words of the finding or its fix.
func TestVerdictFollowsFromTheReply(t *testing.T) {
	const entra = diagnose.FederatedCredential
	text := http.Header{"Content-Type": {"text/plain"}}
	fails := func(err error) entratest.Reply { return entratest.Reply{Err: err} }
	lookup := func(name string) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}}
	}
	for name, row := range map[string]struct {
		reply   entratest.Reply
		verdict diagnose.Verdict
		link    diagnose.LinkName
		words   string
	}{
		"throttled":                  {entratest.Throttle(0), diagnose.Transient, entra, "wait a few minutes"},
		"throttled for a minute":     {entratest.Throttle(time.Minute), diagnose.Transient, entra, "until 2000-01-01T00:01:"},
		"unavailable":                {entratest.Unavailable(0), diagnose.Transient, entra, "overloaded or down"},
		"unavailable for a minute":   {entratest.Unavailable(time.Minute), diagnose.Transient, entra, "overloaded or down"},
		"408":                        {entratest.Reply{Status: 408, Header: text, Body: "Request Timeout"}, diagnose.Transient, entra, "HTTP 408"},
		"502 with a page":            {entratest.Reply{Status: 502, Body: "<h1>Bad gateway</h1>"}, diagnose.Transient, entra, "HTTP 502"},
		"403 with a page":            {entratest.Reply{Status: 403, Body: "<h1>Blocked</h1>"}, diagnose.Misconfigured, entra, "a proxy or a firewall"},
		"no credential matches":      {entratest.Refuse(700213), diagnose.Misconfigured, entra, "federated credential"},
		"no such application":        {entratest.Refuse(700016), diagnose.Misconfigured, diagnose.Environment, "client ID"},
		"no such resource":           {entratest.Refuse(500011), diagnose.Misconfigured, diagnose.AccessToken, "scope"},
		"stale token":                {entratest.Refuse(700024), diagnose.Misconfigured, diagnose.TokenFile, "token"},
		"another audience":           {entratest.Refuse(700212), diagnose.Misconfigured, entra, "audience"},
		"an unknown code":            {entratest.Refuse(4242424), diagnose.Misconfigured, entra, "error?code=4242424"},
		"an empty 200":               {entratest.Reply{Status: 200, Body: "{}"}, diagnose.Misconfigured, entra, "access_token"},
		"hangs":                      {entratest.Reply{Hang: true}, diagnose.Transient, entra, "no token from login.microsoftonline.com within 10.5s"},
		"refused":                    {fails(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}), diagnose.Transient, entra, "connection refused"},
		"reset":                      {fails(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}), diagnose.Transient, entra, "connection reset"},
		"no route":                   {fails(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}), diagnose.Transient, entra, "no route to host"},
		"closed":                     {fails(io.EOF), diagnose.Transient, entra, "EOF"},
		"certificate":                {fails(&tls.CertificateVerificationError{Err: errors.New("unknown authority")}), diagnose.Misconfigured, entra, "ca-certificates"},
		"the host does not resolve":  {fails(lookup("login.microsoftonline.com")), diagnose.Transient, entra, "DNS"},
		"the proxy does not resolve": {fails(lookup("proxy.corp.example")), diagnose.Misconfigured, entra, "the name of the HTTP proxy, proxy.corp.example, does not resolve"},
		"the DNS server fails":       {fails(&net.DNSError{Err: "server misbehaving", Name: "login.microsoftonline.com", IsTemporary: true}), diagnose.Transient, entra, "server misbehaving"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBubblePod(t)
				p.Options.Retry.MaxRetries = -1
				p.Entra.SetReply(&row.reply)
				r := run(t, p)
				requireVerdict(t, r, row.verdict, row.link, row.words)
			})
		})
	}
}

// requireVerdict checks the first fault of a report.
func requireVerdict(t *testing.T, r diagnose.Report, verdict diagnose.Verdict, link diagnose.LinkName, words string) {
	t.Helper()
	require.Equal(t, verdict, r.Verdict, r)
	require.Equal(t, link, r.Faults()[0].Name, r)
	require.Contains(t, fmt.Sprint(r.Faults()[0].Findings), words)
}

// A problem found before time runs out still makes the verdict.
func TestTimeoutDoesNotHideAMissingSetting(t *testing.T) {
	for name, spoil := range map[string]func(*setups.Pod){
		"variable": func(p *setups.Pod) { p.Options.ClientID = "" },
		"file":     func(p *setups.Pod) { p.Options.TokenFilePath += ".gone" },
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range setups.EnvNames() {
				t.Setenv(variable, "")
			}
			synctest.Test(t, func(t *testing.T) {
				p := newBubblePod(t)
				spoil(p)
				p.Entra.SetReply(&entratest.Reply{Hang: true})
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				r := diagnose.Run(ctx, &diagnose.Options{Credential: p.Options, HTTPClient: p.HTTPClient})
				require.Equal(t, diagnose.Misconfigured, r.Verdict, r)
			})
		})
	}
}

// The check of the issuer is optional, so it must leave time for the exchange.
func TestHangingIssuerLeavesTimeForTheExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBubblePod(t)
		p.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		r := diagnose.Run(ctx, &diagnose.Options{Credential: p.Options, Scope: p.Scope, HTTPClient: p.HTTPClient})
		require.Equal(t, diagnose.OK, r.Verdict, r)
	})
}

// A deadline that ends while a retry is pending does not hide Entra ID's refusal.
func TestDeadlineDuringARetryKeepsTheRefusal(t *testing.T) {
	for words, reply := range map[string]entratest.Reply{
		"nothing is wrong with your setup": entratest.Unavailable(0), "HTTP 408": {Status: 408, Header: http.Header{"Content-Type": {"text/plain"}}},
	} {
		t.Run(words, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBubblePod(t)
				p.Options.Retry.MaxRetries = 0 // azcore's default of three
				p.Entra.SetReply(&reply)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				r := diagnose.Run(ctx, &diagnose.Options{Credential: p.Options, Scope: p.Scope, HTTPClient: p.HTTPClient})
				requireVerdict(t, r, diagnose.Transient, diagnose.FederatedCredential, words)
				time.Sleep(time.Minute) // the exchange ends in the bubble
			})
		})
	}
}

// If the source works once and then fails, the source is at fault, not Entra ID.
func TestSourceThatFailsDuringTheExchange(t *testing.T) {
	calls := 0
	p := newPod(t)
	token := p.Projection.Token()
	p.Options.TokenFilePath, p.Options.Assertion = "", func(context.Context) (string, error) {
		if calls++; calls > 1 {
			return "", fmt.Errorf("vanished: %w", fs.ErrNotExist)
		}
		return token, nil
	}
	require.NoError(t, os.Unsetenv("AZURE_FEDERATED_TOKEN_FILE"))
	r := diagnose.Run(t.Context(), &diagnose.Options{Credential: p.Options, Scope: p.Scope, HTTPClient: p.HTTPClient})
	requireVerdict(t, r, diagnose.Misconfigured, diagnose.TokenFile, "could not be read again for the exchange: Options.Assertion: vanished")
}

// The reply with the token, compared with the reply without, shows whether the resource checks it.
func TestReplyOfTheResourceIsComparedWithAnAnonymousOne(t *testing.T) {
	for name, row := range map[string]struct {
		with, without int // status of the reply with the token, and without
		mark          diagnose.Mark
		words         string
	}{
		"it checks the token":      {200, 401, diagnose.Fine, ""},
		"it is public":             {200, 200, diagnose.Warning, "says nothing about the token"},
		"not found, for anyone":    {404, 404, diagnose.Warning, "says nothing about the token"},
		"not found, with a token":  {404, 401, diagnose.Warning, "cannot serve this URL"},
		"304":                      {304, 304, diagnose.Warning, "HTTP 304 Not Modified"},
		"302 without Location":     {302, 302, diagnose.Warning, "HTTP 302 Found"},
		"a proxy requires a user":  {407, 407, diagnose.Failure, "a proxy on the way"},
		"408":                      {408, 408, diagnose.Failure, "gave up waiting"},
		"it refuses every request": {401, 401, diagnose.Failure, "refuses the access token"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			over(p, func(r *http.Request) *http.Response {
				if !strings.HasPrefix(r.URL.Host, "orders.vault") {
					return nil
				}
				status := row.without
				if r.Header.Get("Authorization") != "" {
					status = row.with
				}
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}
			})
			l := link(t, run(t, p), diagnose.Resource)
			require.Equal(t, row.mark, l.Mark, l)
			require.Contains(t, fmt.Sprint(l.Findings), row.words)
		})
	}
}

// A host whose scope is unknown receives no token.
func TestScopeFollowsFromTheResource(t *testing.T) {
	for resource, scope := range map[string]string{
		"https://orders.vault.azure.net/secrets/greeting?api-version=7.4": "https://vault.azure.net/.default",
		"https://acct.blob.core.windows.net/c":                            "https://storage.azure.com/.default",
		"https://somewhere.example/":                                      "",
	} {
		p := newPod(t)
		p.Scope, p.Resource = "", resource
		sent := false
		over(p, func(r *http.Request) *http.Response {
			sent = sent || r.Header.Get("Authorization") != ""
			return nil
		})
		r := run(t, p)
		if scope == "" {
			require.False(t, sent)
			require.Contains(t, link(t, r, diagnose.Resource).Findings[0].Problem, "no token was sent to it")
			continue
		}
		require.Equal(t, scope, p.Entra.Requests()[0].Scope)
	}
}

// URLs are shown without passwords and signatures.
func TestSecretsInURLsAreNotShown(t *testing.T) {
	p := newPod(t)
	t.Setenv("AZURE_AUTHORITY_HOST", "https://user:hunter2@login.microsoftonline.com/")
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", "https://user:hunter3@proxy.example/")
	for _, resource := range []string{
		"https://u:hunter4@acct.blob.core.windows.net/c", "https://acct.blob.core.windows.net/c?sig=hunter5&se=1",
	} {
		r := diagnose.Run(t.Context(), &diagnose.Options{Credential: p.Options, Resource: resource, HTTPClient: &http.Client{Transport: roundTrip(
			func(r *http.Request) (*http.Response, error) { return nil, errors.New("no route to " + r.URL.Host) })}})
		for form, shown := range texts(t, r) {
			require.NotContains(t, shown, "hunter", form)
		}
	}
	t.Setenv("AZURE_AUTHORITY_HOST", "")
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", "")
	r := diagnose.Run(t.Context(), &diagnose.Options{Credential: p.Options, Scope: p.Scope, Resource: "https://acct.blob.core.windows.net/c?sig=hunter5&se=1",
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return nil, errors.New("no route") })}})
	for form, shown := range texts(t, r) {
		require.NotContains(t, shown, "hunter", form)
		require.Contains(t, shown, "sig=", form)
	}
}
