package azure_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// buildFakeentra builds the program as a user does and returns its path.
func buildFakeentra(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "fakeentra")
	output, err := exec.Command("go", "build", "-o", program, "github.com/entrafed/entrafed/examples/fakeentra").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program
}

// fakeentra is a running fakeentra.
type fakeentra struct {
	environment string // shell file, with the commented exports uncommented
	process     *os.Process
	log         *safeBuffer
}

// startFakeentra runs the command that starts fakeentra, and waits for the environment that it
// prints.
func startFakeentra(t *testing.T, command ...string) *fakeentra {
	t.Helper()
	f := &fakeentra{environment: filepath.Join(t.TempDir(), "environment"), log: new(safeBuffer)}
	process := exec.Command(command[0], command[1:]...)
	process.Stderr = f.log
	output, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	f.process = process.Process
	var text strings.Builder
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		line, hint := strings.CutPrefix(lines.Text(), "# export ")
		if hint {
			line = "export " + line
		}
		text.WriteString(line + "\n")
		if strings.HasPrefix(line, "export REQUESTS_CA_BUNDLE=") {
			break
		}
	}
	t.Cleanup(func() {
		assert.NoError(t, process.Process.Signal(syscall.SIGTERM))
		_, _ = io.Copy(io.Discard, output)
		assert.NoError(t, process.Wait())
	})
	require.Contains(t, text.String(), "REQUESTS_CA_BUNDLE", f.log)
	require.NoError(t, os.WriteFile(f.environment, []byte(text.String()), 0o600))
	return f
}

// shell returns a command that runs another command in the environment.
func (f *fakeentra) shell() []string {
	return []string{"sh", "-c", `. "$0" && exec "$@"`, f.environment}
}

// A program needs nothing but the printed environment.
func TestProgramsSignInWithWhatFakeentraPrints(t *testing.T) {
	binary := buildFakeentra(t)
	for _, p := range programs {
		t.Run(p.library, func(t *testing.T) {
			f := startFakeentra(t, binary, "-addr", "127.0.0.1:0")

			got := p.in(f.shell()...).run(t)

			require.Empty(t, got.Error, f.log)
			assert.Equal(t, []string{storageAudience}, audience(t, got.Token))
		})
	}
}

// Each library ends the connection in its own way if it does not trust the CA.
func TestFakeentraLogsThatAProgramDoesNotTrustIt(t *testing.T) {
	binary := buildFakeentra(t)
	for _, p := range programs {
		t.Run(p.library, func(t *testing.T) {
			f := startFakeentra(t, binary, "-addr", "127.0.0.1:0")

			got := p.in("env", "-u", p.trust).in(f.shell()...).run(t)

			require.NotEmpty(t, got.Error)
			// The server logs the failed handshake on its own, perhaps after the client has ended.
			require.Eventually(t, func() bool { return strings.Contains(f.log.String(), p.trust) }, 10*time.Second, 10*time.Millisecond)
			assert.Contains(t, f.log.String(), "the client may not trust the CA in /")
		})
	}
}

func TestProgramsMeetABrokenSetup(t *testing.T) {
	binary := buildFakeentra(t)
	for i, row := range []struct{ setup, reason string }{
		{"issuer-without-slash", "AADSTS700211"}, {"token-file-late", "AADSTS700024"}, {"entra-throttled", " 429 "}, {"entra-overloaded", "AADSTS90033"},
	} {
		p := programs[i] // one per setup, because they take long to start
		t.Run(row.setup+" "+p.library, func(t *testing.T) {
			f := startFakeentra(t, binary, "-addr", "127.0.0.1:0", "-setup", row.setup)

			got := p.in(f.shell()...).run(t)

			assert.True(t, got.Token == "")
			assert.NotEmpty(t, got.Error)
			assert.Contains(t, f.log.String(), row.reason)
		})
	}
}

// audience returns an access token's audience.
func audience(t *testing.T, token string) []string {
	t.Helper()
	var claims accessClaims
	_, _, err := jwt.NewParser().ParseUnverified(token, &claims)
	require.NoError(t, err)
	assert.WithinRange(t, claims.ExpiresAt.Time, time.Now(), time.Now().Add(time.Hour))
	return claims.Audience
}

// safeBuffer can be read by the test while a process writes to it.
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
