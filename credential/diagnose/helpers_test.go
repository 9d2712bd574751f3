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
	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/internal/test/setups"
	"github.com/entrafed/entrafed/internal/webhook"
)

// newPod returns a pod that works, and sets this process's environment to the pod's.
func newPod(t *testing.T) *setups.Pod {
	t.Helper()
	return newPodAs(t, webhook.V160)
}

// newPodAs is newPod with one of the webhook's layouts.
func newPodAs(t *testing.T, layout webhook.Layout) *setups.Pod {
	t.Helper()
	links.Need(t)
	p, err := setups.NewPodAs(t.TempDir(), layout)
	require.NoError(t, err)
	setenv(t, p)
	return p
}

// newBubblePod is newPod for use inside a synctest bubble, where tests cannot change the
// environment.
func newBubblePod(t *testing.T) *setups.Pod {
	t.Helper()
	links.Need(t)
	p, err := setups.NewPod(t.TempDir())
	require.NoError(t, err)
	p.Options.ClientID, p.Options.TenantID, p.Options.TokenFilePath = p.ClientID, p.TenantID, p.TokenFile
	return p
}

// setenv sets this process's environment to the pod's. It does not work inside a synctest bubble.
func setenv(t *testing.T, p *setups.Pod) {
	t.Helper()
	for _, name := range setups.EnvNames() {
		t.Setenv(name, "") // so that it is restored at the end
	}
	require.NoError(t, p.Enter())
}

func run(t *testing.T, p *setups.Pod) diagnose.Report {
	t.Helper()
	r := diagnose.Run(t.Context(), &diagnose.Options{Credential: p.Options, Scope: p.Scope, Resource: p.Resource, Agent: p.Agent, HTTPClient: p.HTTPClient})
	requireNoSecret(t, r, p)
	return r
}

func link(t *testing.T, r diagnose.Report, name diagnose.LinkName) diagnose.Link {
	t.Helper()
	for _, l := range r.Links {
		if l.Name == name {
			return l
		}
	}
	require.FailNow(t, "no such link", name)
	return diagnose.Link{}
}

// texts returns the report in every output format.
func texts(t *testing.T, r diagnose.Report) map[string]string {
	t.Helper()
	data, err := json.Marshal(r)
	require.NoError(t, err)
	var page, colored strings.Builder
	require.NoError(t, r.WriteHTML(&page))
	require.NoError(t, r.WriteText(&colored, true))
	return map[string]string{"text": r.String(), "colored": colored.String(), "JSON": string(data), "HTML": page.String()}
}

// requireNoSecret looks for the start of a token's header, and for 12 consecutive characters of the
// federated token's signature. Three would be too few: the report shows key IDs, which are random
// base64.
func requireNoSecret(t *testing.T, r diagnose.Report, p *setups.Pod) {
	t.Helper()
	raw, _ := os.ReadFile(p.Env["AZURE_FEDERATED_TOKEN_FILE"])
	signature := string(raw[strings.LastIndex(string(raw), ".")+1:])
	for form, text := range texts(t, r) {
		require.NotContains(t, text, "eyJhbGciOi", form)
		for i := 0; i+12 <= len(signature); i++ {
			require.NotContains(t, text, signature[i:i+12], form)
		}
	}
}

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// over puts answer in front of the pod's network, which serves the requests for which answer
// returns nil.
func over(p *setups.Pod, answer func(*http.Request) *http.Response) {
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

// fixed returns a source that always returns the same token.
func fixed(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}
