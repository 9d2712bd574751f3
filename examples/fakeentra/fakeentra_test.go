package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// safeBuffer is written by the program while the test reads it.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// running is a program that has printed its environment.
type running struct {
	environment map[string]string
	logs        *safeBuffer
	stop        func() error
}

func start(t *testing.T, s settings) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	p := &running{environment: map[string]string{}, logs: new(safeBuffer)}
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, in, p.logs, s)
		ended <- err
		in.CloseWithError(err) // ends the reading below if nothing was printed
	}()
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = p.stop() })
	lines := bufio.NewScanner(out)
	for len(p.environment) < 5 && lines.Scan() {
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		p.environment[name] = strings.Trim(value, "'")
	}
	require.Len(t, p.environment, 5)
	return p
}

// client trusts what a program with this SSL_CERT_FILE trusts.
func (p *running) client(t *testing.T) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(p.environment["SSL_CERT_FILE"])
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// signIn does what an SDK does with the environment. change spoils the form.
func (p *running) signIn(t *testing.T, change func(url.Values)) (status int, body map[string]any, assertion string) {
	t.Helper()
	token, err := os.ReadFile(p.environment["AZURE_FEDERATED_TOKEN_FILE"])
	require.NoError(t, err)
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {p.environment["AZURE_CLIENT_ID"]},
		"scope":                 {"https://vault.azure.net/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {string(token)},
	}
	change(form)
	reply, err := p.client(t).PostForm(p.environment["AZURE_AUTHORITY_HOST"]+p.environment["AZURE_TENANT_ID"]+"/oauth2/v2.0/token", form)
	require.NoError(t, err)
	defer reply.Body.Close()
	require.NoError(t, json.NewDecoder(reply.Body).Decode(&body))
	return reply.StatusCode, body, string(token)
}

func TestProgramSignsInWithWhatIsPrinted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's here")
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: 2 * time.Minute, dir: dir})
	// The test's own reading of the quotes is too simple for this one.
	p.environment["AZURE_FEDERATED_TOKEN_FILE"] = strings.ReplaceAll(p.environment["AZURE_FEDERATED_TOKEN_FILE"], `'\''`, "'")
	p.environment["SSL_CERT_FILE"] = strings.ReplaceAll(p.environment["SSL_CERT_FILE"], `'\''`, "'")
	assert.Equal(t, filepath.Join(dir, "ca.pem"), p.environment["SSL_CERT_FILE"])

	status, body, assertion := p.signIn(t, func(url.Values) {})
	assert.Equal(t, http.StatusOK, status, body)
	assert.EqualValues(t, 120, body["expires_in"])
	access, _ := body["access_token"].(string)
	require.NotEmpty(t, access)

	status, body, _ = p.signIn(t, func(f url.Values) { f.Set("client_id", "other") })
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body["error_description"], "AADSTS700016")
	status, _, _ = p.signIn(t, func(f url.Values) { f.Set("scope", "x "+assertion+"\nforged line") })
	assert.Equal(t, http.StatusBadRequest, status)

	require.NoError(t, p.stop())
	logs := p.logs.String()
	assert.Contains(t, logs, " POST /"+tenantID+"/oauth2/v2.0/token 200 ")
	assert.Contains(t, logs, "AADSTS700016: Application with identifier 'other' was not found in the directory")
	assert.Contains(t, logs, " GET /cluster/.well-known/openid-configuration 200 ")
	assert.Contains(t, logs, "AADSTS1002012: The provided value for scope x [redacted] forged line is not valid.")
	assert.Equal(t, 5, strings.Count(logs, "\n"), "a line for each request, the two for the issuer's keys among them:\n"+logs)
	for _, secret := range []string{assertion, access} {
		assert.NotContains(t, logs, secret)
		assert.NotContains(t, logs, secret[len(secret)-40:])
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "the directory is the user's, what was in it is not")
}

func TestTemporaryDirectoryIsRemoved(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary) // of Unix
	p := start(t, settings{addr: "localhost:0", lifetime: time.Hour})
	assert.Contains(t, p.environment["AZURE_AUTHORITY_HOST"], "https://localhost:")
	status, body, _ := p.signIn(t, func(url.Values) {})
	assert.Equal(t, http.StatusOK, status, body)
	require.NoError(t, p.stop())
	_, err := os.Stat(p.environment["SSL_CERT_FILE"])
	require.ErrorIs(t, err, os.ErrNotExist)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAnyAddressIsReachedOnLoopback(t *testing.T) {
	p := start(t, settings{addr: ":0", lifetime: time.Hour, dir: t.TempDir()})
	assert.Contains(t, p.environment["AZURE_AUTHORITY_HOST"], "https://127.0.0.1:")
	status, body, _ := p.signIn(t, func(url.Values) {})
	assert.Equal(t, http.StatusOK, status, body)
}

func TestSettingsThatCannotBe(t *testing.T) {
	used := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(used, "token"), 0o755))
	for name, row := range map[string]struct {
		s    settings
		want string
	}{
		"lifetime":          {settings{addr: "127.0.0.1:0", lifetime: time.Millisecond}, "-lifetime 1ms is less than a second"},
		"address":           {settings{addr: "127.0.0.1", lifetime: time.Hour}, "-addr: address 127.0.0.1: missing port"},
		"port":              {settings{addr: "127.0.0.1:-1", lifetime: time.Hour}, "-1"},
		"directory in use":  {settings{addr: "127.0.0.1:0", lifetime: time.Hour, dir: used}, "does another fakeentra use it?"},
		"directory is file": {settings{addr: "127.0.0.1:0", lifetime: time.Hour, dir: os.Args[0]}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, logs bytes.Buffer
			assert.ErrorContains(t, run(t.Context(), &out, &logs, row.s), row.want)
			assert.Empty(t, out.String())
		})
	}
	assert.DirExists(t, filepath.Join(used, "token"), "it is not ours to remove")
}

func TestTokenFileIsRotatedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		volume, err := new(entratest.Cluster).Project(t.TempDir(), "token", entratest.TokenRequest{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		logs := new(safeBuffer)
		go rotate(ctx, volume, log.New(logs, "", 0))
		first := volume.Token()
		time.Sleep(48*time.Minute - time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, first, volume.Token())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		second := volume.Token()
		assert.NotEqual(t, first, second)
		time.Sleep(48 * time.Minute)
		synctest.Wait()
		assert.NotEqual(t, second, volume.Token())
		assert.Equal(t, "token file rotated\ntoken file rotated\n", logs.String())

		require.NoError(t, os.RemoveAll(filepath.Dir(volume.Path())))
		time.Sleep(48 * time.Minute)
		synctest.Wait()
		assert.Contains(t, logs.String(), "token file: entratest:")
		cancel()
	})
}

func TestLogLineIsOneLineAndBounded(t *testing.T) {
	var logs bytes.Buffer
	handler := logged(log.New(&logs, "", 0), http.NotFoundHandler())
	for _, path := range []string{"/a%0Ab", "/" + strings.Repeat("x", 5000), "/eyJhbGciOiJSUzI1NiJ9.e30.secret"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	}
	lines := strings.Split(strings.TrimSpace(logs.String()), "\n")
	require.Len(t, lines, 3)
	assert.Contains(t, lines[0], "GET /a%0Ab 404")
	assert.Less(t, len(lines[1]), 600)
	assert.Contains(t, lines[2], "GET [redacted] 404")
	assert.NotContains(t, lines[2], "secret")
}
