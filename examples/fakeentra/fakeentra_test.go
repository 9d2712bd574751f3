package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// safeBuffer can be read by the test while the program writes to it.
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
	unset       []string
	comments    string
	logs        *safeBuffer
	stop        func() error
}

// printing receives the environment, which a program prints in one write.
type printing chan string

func (p printing) Write(text []byte) (int, error) {
	p <- string(text)
	return len(text), nil
}

func start(t *testing.T, s settings) *running {
	t.Helper()
	links.Need(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := make(printing, 1)
	p := &running{environment: map[string]string{}, logs: new(safeBuffer)}
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, out, p.logs, s)
		close(out)
		ended <- err
	}()
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = p.stop() })
	text, ok := <-out
	if !ok {
		require.NoError(t, p.stop())
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			p.comments += comment + "\n"
		} else if names, ok := strings.CutPrefix(line, "unset "); ok {
			p.unset = strings.Fields(names)
		} else {
			name, value := variable(t, line)
			p.environment[name] = value
		}
	}
	return p
}

// variable parses a line as a shell does.
func variable(t *testing.T, line string) (name, value string) {
	t.Helper()
	found := regexp.MustCompile(`^export ([A-Z_]+)='(.*)'(?: # .+)?$`).FindStringSubmatch(line)
	require.NotNil(t, found, line)
	return found[1], strings.ReplaceAll(found[2], `'\''`, "'")
}

// client trusts the CA in SSL_CERT_FILE. As with /etc/hosts, every host resolves to the fake.
func (p *running) client(t *testing.T) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(p.environment["SSL_CERT_FILE"])
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	here := regexp.MustCompile(`knownAuthorities: \["(.*)"\]`).FindStringSubmatch(p.comments)
	require.NotNil(t, here, p.comments)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, here[1])
		},
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get sends a GET request.
func (p *running) get(t *testing.T, url string) (status int, body string, header http.Header) {
	t.Helper()
	reply, err := p.client(t).Get(url)
	require.NoError(t, err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	return reply.StatusCode, string(text), reply.Header
}

// signIn signs in as an SDK does with the environment. change modifies the form.
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

func TestProgramSignsInWithThePrintedEnvironment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's here")
	p := start(t, settings{addr: "127.0.0.1:0", lifetime: 2 * time.Minute, dir: dir})
	assert.Len(t, p.environment, 5)
	assert.Equal(t, setups.EnvNames()[4:], p.unset)
	assert.Equal(t, filepath.Join(dir, "ca.pem"), p.environment["SSL_CERT_FILE"])

	status, body, assertion := p.signIn(t, func(url.Values) {})
	assert.Equal(t, http.StatusOK, status, body)
	assert.EqualValues(t, 120, body["expires_in"])
	access, _ := body["access_token"].(string)
	require.NotEmpty(t, access)

	status, body, _ = p.signIn(t, func(f url.Values) { f.Set("client_id", "another-application") })
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body["error_description"], "AADSTS700016")
	status, _, _ = p.signIn(t, func(f url.Values) { f.Set("scope", "x "+assertion+"\nforged line") })
	assert.Equal(t, http.StatusBadRequest, status)
	signature := assertion[len(assertion)-40:]
	status, _, _ = p.signIn(t, func(f url.Values) { f.Set("client_id", signature) })
	assert.Equal(t, http.StatusBadRequest, status)
	status, _, _ = p.signIn(t, func(f url.Values) { f.Set("client_id", "hunter2hunter2"); f.Set("password", "hunter2hunter2") })
	assert.Equal(t, http.StatusBadRequest, status)

	require.NoError(t, p.stop())
	logs := p.logs.String()
	assert.Contains(t, logs, " POST /"+p.environment["AZURE_TENANT_ID"]+"/oauth2/v2.0/token 200 ")
	assert.Contains(t, logs, "AADSTS700016: Application with identifier 'another-application' was not found in the directory")
	assert.Contains(t, logs, " GET /cluster/.well-known/openid-configuration 200 ")
	assert.Contains(t, logs, "AADSTS1002012: The provided value for scope x [redacted] forged line is not valid.")
	assert.Contains(t, logs, "Application with identifier '[redacted]' was not found")
	assert.NotContains(t, logs, "hunter2")
	assert.Equal(t, 7, strings.Count(logs, "\n"), "one line per request, including the two for the issuer's keys:\n"+logs)
	for _, secret := range []string{assertion, access} {
		assert.NotContains(t, logs, secret)
		assert.NotContains(t, logs, secret[len(secret)-40:])
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "fakeentra removes its files but not the user's directory")
}

func TestTemporaryDirectoryIsRemoved(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary) // read on Unix
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

func TestInvalidSettings(t *testing.T) {
	used := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(used, "volume"), 0o755))
	for name, row := range map[string]struct {
		s      settings
		want   string
		status int
	}{
		"lifetime":          {settings{addr: "127.0.0.1:0", lifetime: time.Millisecond}, "-lifetime 1ms is less than a second", 2},
		"address":           {settings{addr: "127.0.0.1", lifetime: time.Hour}, "-addr: address 127.0.0.1: missing port", 2},
		"port":              {settings{addr: "127.0.0.1:-1", lifetime: time.Hour}, "-addr: ", 1},
		"directory in use":  {settings{addr: "127.0.0.1:0", lifetime: time.Hour, dir: used}, "already exists: choose another -dir", 1},
		"directory is file": {settings{addr: "127.0.0.1:0", lifetime: time.Hour, dir: os.Args[0]}, "not a directory", 1},
		"control":           {settings{addr: "127.0.0.1:0", lifetime: time.Hour, control: "0.0.0.0:0"}, `-control "0.0.0.0:0" is not a loopback address`, 2},
		"setup":             {settings{addr: "127.0.0.1:0", lifetime: time.Hour, setup: "nothing"}, `unknown -setup "nothing"; -setup list prints the known ones`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var out, logs bytes.Buffer
			err := run(t.Context(), &out, &logs, row.s)
			assert.ErrorContains(t, err, row.want)
			assert.Equal(t, row.status, statusOf(err))
			assert.Empty(t, out.String())
		})
	}
	assert.DirExists(t, filepath.Join(used, "volume"), "it belongs to somebody else")
}

func TestTokenFileIsRotatedInTime(t *testing.T) {
	links.Need(t)
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

func TestUnknownArgumentsAreErrors(t *testing.T) {
	for _, args := range [][]string{{"junk"}, {"junk", "-dir", "x"}, {"-setup", "no-role-assignment", "junk"}, {"-junk"}} {
		var errs bytes.Buffer
		_, err := parse(args, &errs)
		require.ErrorContains(t, err, "junk")
		assert.Contains(t, errs.String(), "junk")
	}
	s, err := parse([]string{"-addr", "a:1", "-lifetime", "1m", "-dir", "d", "-setup", "s"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, settings{addr: "a:1", lifetime: time.Minute, dir: "d", setup: "s", faults: faults{}}, s)
}

// TestWrongFlagsQuoteNoSecret checks that a misplaced secret is not printed.
func TestWrongFlagsQuoteNoSecret(t *testing.T) {
	for _, plant := range []string{"https://user:hunter2@a.example/", "https://a.example/?sig=hunter2", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.hunter2"} {
		for _, arg := range []string{plant, "-timeout=" + plant, "-nonesuch=" + plant, "-" + plant} {
			var errs bytes.Buffer
			_, err := parse([]string{arg}, &errs)
			require.Error(t, err, arg)
			assert.NotContains(t, errs.String(), "hunter2")
			assert.NotContains(t, errs.String(), "eyJhbGciOi")
		}
	}
}
