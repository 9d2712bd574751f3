package diagnose_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/internal/broken"
)

// newPod returns a pod that is set up right, in this process's environment.
func newPod(t *testing.T) *broken.Pod {
	t.Helper()
	p, err := broken.NewPod(t.TempDir())
	require.NoError(t, err)
	setenv(t, p)
	return p
}

// newBubblePod is newPod for use inside a bubble, where the environment cannot be changed.
func newBubblePod(t *testing.T) *broken.Pod {
	t.Helper()
	p, err := broken.NewPod(t.TempDir())
	require.NoError(t, err)
	p.Options.ClientID, p.Options.TenantID, p.Options.TokenFilePath = p.Env["AZURE_CLIENT_ID"], p.Env["AZURE_TENANT_ID"], p.Volume.Path()
	return p
}

// setenv is for outside of bubbles.
func setenv(t *testing.T, p *broken.Pod) {
	t.Helper()
	for _, name := range broken.EnvNames() {
		t.Setenv(name, p.Env[name])
	}
}

func run(t *testing.T, p *broken.Pod) diagnose.Report {
	t.Helper()
	r := diagnose.Run(t.Context(), &diagnose.Options{Credential: p.Options, Scope: p.Scope, Resource: p.Resource, HTTPClient: p.HTTPClient})
	requireNoSecret(t, r, p)
	return r
}

func link(t *testing.T, r diagnose.Report, name diagnose.Name) diagnose.Link {
	t.Helper()
	for _, l := range r.Links {
		if l.Name == name {
			return l
		}
	}
	require.FailNow(t, "no such link", name)
	return diagnose.Link{}
}

// texts are all the ways in which a report leaves the program.
func texts(t *testing.T, r diagnose.Report) map[string]string {
	t.Helper()
	data, err := json.Marshal(r)
	require.NoError(t, err)
	var page, coloured strings.Builder
	require.NoError(t, r.WriteHTML(&page))
	require.NoError(t, r.WriteText(&coloured, true))
	return map[string]string{"text": r.String(), "coloured": coloured.String(), "JSON": string(data), "HTML": page.String()}
}

// requireNoSecret looks for tokens, and for 12 or more characters of the signature of the federated one.
func requireNoSecret(t *testing.T, r diagnose.Report, p *broken.Pod) {
	t.Helper()
	raw, _ := os.ReadFile(p.Env["AZURE_FEDERATED_TOKEN_FILE"])
	signature := string(raw[strings.LastIndex(string(raw), ".")+1:])
	for form, text := range texts(t, r) {
		require.NotContains(t, text, "eyJ", form)
		for i := 0; i+12 <= len(signature); i++ {
			require.NotContains(t, text, signature[i:i+12], form)
		}
	}
}

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// over puts something before the pod's network: it returns nil for what is not its.
func over(p *broken.Pod, answer func(*http.Request) *http.Response) {
	under := p.HTTPClient.Transport
	p.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if resp := answer(r); resp != nil {
			resp.Request = r
			return resp, nil
		}
		return under.RoundTrip(r)
	})}
}

func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// fixed is a source of one token.
func fixed(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}
