package azure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// program signs in with one of Microsoft's libraries for another language.
type program struct {
	library   string
	discovers int    // number of requests for the openid-configuration
	trust     string // variable that names the CA
	command   func(t *testing.T) []string
}

var programs = []program{
	{"@azure/identity", 1, "NODE_EXTRA_CA_CERTS", node("identity")},
	{"@azure/msal-node", 1, "NODE_EXTRA_CA_CERTS", node("msal")},
	{"azure-identity", 0, "REQUESTS_CA_BUNDLE", python("identity")},
	{"msal", 1, "REQUESTS_CA_BUNDLE", python("msal")},
}

func node(library string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		modules := installed(t, ".node", "node_modules")
		return []string{"node", filepath.Join("testdata", "signin.js"), modules, library}
	}
}

func python(library string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		requirePython(t)
		return []string{debianPython, filepath.Join("testdata", "signin.py"), library}
	}
}

// found is a program's output.
type found struct {
	Token     string
	ExpiresOn int64 // milliseconds
	Error     string
}

// run runs the program in a clean environment: no proxy, and only the given settings.
func (p program) run(t *testing.T, environment ...string) found {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := p.command(t)
	process := exec.CommandContext(ctx, command[0], command[1:]...)
	process.Env = append(environment, debianPath(), debianLibraries())
	var stderr bytes.Buffer
	process.Stderr = &stderr
	output, err := process.Output()
	require.NoError(t, err, "%s", &stderr)
	var f found
	require.NoError(t, json.Unmarshal(output, &f))
	return f
}

// in returns the program as run by another command, which receives the program's command as
// arguments.
func (p program) in(command ...string) program {
	own := p.command
	p.command = func(t *testing.T) []string { return append(command, own(t)...) }
	return p
}

// signIn runs the program against the rig's Entra ID.
func (p program) signIn(t *testing.T, r *rig) found {
	t.Helper()
	r.serve(t, "127.0.0.1", r.Entra)
	r.AuthorityHost = "https://" + r.hosts["127.0.0.1"] + "/"
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, r.ca.PEM(), 0o600))
	return p.run(t, append(r.Env(), p.trust+"="+ca)...)
}

func TestProgramsSignIn(t *testing.T) {
	for _, p := range programs {
		t.Run(p.library, func(t *testing.T) {
			r := newRig(t)

			f := p.signIn(t, r)

			require.Empty(t, f.Error)
			claims, err := r.verify(f.Token, storageAudience)
			require.NoError(t, err)
			assert.WithinDuration(t, claims.ExpiresAt.Time, time.UnixMilli(f.ExpiresOn), 10*time.Second)
			assert.Len(t, r.exchanges(), 1)
			assert.Len(t, r.requests(entratest.KindOpenIDConfiguration), p.discovers)
			assert.Empty(t, r.requests(entratest.KindOther))
		})
	}
}

func TestProgramsUnderstandARefusal(t *testing.T) {
	for _, p := range programs {
		t.Run(p.library, func(t *testing.T) {
			r := newRig(t)
			r.trustAnother(t)

			f := p.signIn(t, r)

			assert.True(t, f.Token == "")
			for _, want := range []string{"invalid_client", "AADSTS700213", "system:serviceaccount:shop:orders"} {
				assert.Contains(t, f.Error, want)
			}
		})
	}
}
