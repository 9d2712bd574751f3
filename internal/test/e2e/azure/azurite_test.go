package azure_test

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// azuriteHost is the cloud host name of Azurite's only account.
const azuriteHost = "devstoreaccount1.blob.core.windows.net"

// required makes tests fail instead of skipping when something is not installed. CI sets it,
// because it runs install first.
const required = "ENTRAFED_E2E_REQUIRED"

// installed returns the path of something that ./install installs.
func installed(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(elements...))
	require.NoError(t, err)
	_, node := exec.LookPath("node")
	if _, err := os.Stat(path); err == nil && node == nil {
		return path
	}
	if os.Getenv(required) != "" {
		t.Fatalf("%s is not installed: run ./install", filepath.Join(elements...))
	}
	t.Skipf("%s is not installed: run ./install, which needs node and npm", filepath.Join(elements...))
	return ""
}

// startAzurite starts Microsoft's storage emulator, with checks of OAuth tokens, as a service in
// the rig's network.
func startAzurite(t *testing.T, r *rig) {
	t.Helper()
	program := installed(t, ".azurite", "node_modules", "azurite", "dist", "src", "blob", "main.js")
	dir := t.TempDir()
	cert, key := writeCertificate(t, r, dir, azuriteHost)
	process := exec.Command("node", program,
		"--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence",
		"--oauth", "basic", "--cert", cert, "--key", key, "--skipApiVersionCheck", "--disableTelemetry", "--silent")
	process.Dir = dir
	output, err := process.StdoutPipe()
	require.NoError(t, err)
	process.Stderr = process.Stdout
	require.NoError(t, process.Start())
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait() // the error only says that it was killed
	})
	r.lead(azuriteHost, readiness(t, output))
}

// readiness reads Azurite's output until it reports its address.
func readiness(t *testing.T, output io.Reader) string {
	t.Helper()
	found := make(chan string, 1)
	var printed strings.Builder // read after found is closed
	go func() {
		defer close(found)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			_, _ = printed.WriteString(lines.Text() + "\n")
			if _, address, ok := strings.Cut(lines.Text(), "successfully listens on "); ok {
				found <- address
			}
		}
	}()
	select {
	case address, ok := <-found:
		if !ok {
			t.Fatalf("Azurite ended: %s", printed.String())
		}
		at, err := url.Parse(address)
		require.NoError(t, err)
		return at.Host
	case <-time.After(30 * time.Second):
		require.FailNow(t, "Azurite did not start")
		return ""
	}
}

// writeCertificate writes a server's certificate and key as PEM files.
func writeCertificate(t *testing.T, r *rig, dir, host string) (cert, key string) {
	t.Helper()
	certificate, err := r.ca.Certificate(host)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, cert, "CERTIFICATE", certificate.Certificate[0])
	writePEM(t, key, "PRIVATE KEY", der)
	return cert, key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func dialAzurite(t *testing.T, r *rig, cred azcore.TokenCredential, audience string) *azblob.Client {
	t.Helper()
	client, err := azblob.NewClient("https://"+azuriteHost, cred, &azblob.ClientOptions{ClientOptions: r.sdk(), Audience: audience})
	require.NoError(t, err)
	return client
}

func TestAzurite(t *testing.T) {
	r := newRig(t)
	startAzurite(t, r)

	t.Run("write and read", func(t *testing.T) {
		client := dialAzurite(t, r, r.credential(t), "")
		_, err := client.CreateContainer(t.Context(), "orders", nil)
		require.NoError(t, err)
		_, err = client.UploadBuffer(t.Context(), "orders", "1.txt", []byte("written with a federated token"), nil)
		require.NoError(t, err)

		response, err := client.DownloadStream(t.Context(), "orders", "1.txt", nil)

		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, "written with a federated token", string(body))
		assert.Len(t, r.exchanges(), 1)
	})
	t.Run("token for the account only", func(t *testing.T) {
		_, err := dialAzurite(t, r, r.credential(t), "https://"+azuriteHost).CreateContainer(t.Context(), "account", nil)
		require.NoError(t, err)
	})
	t.Run("token for another account", func(t *testing.T) {
		_, err := dialAzurite(t, r, r.credential(t), "https://another.blob.core.windows.net").CreateContainer(t.Context(), "another", nil)
		refused(t, err, "Invalid token audience")
	})
	t.Run("token for another service", func(t *testing.T) {
		_, err := dialAzurite(t, r, r.credential(t), vaultAudience).CreateContainer(t.Context(), "another", nil)
		refused(t, err, "Invalid token audience")
	})
	t.Run("v2.0 token", func(t *testing.T) { // Storage uses v1.0 tokens, so this shows that it checks the issuer
		v2 := newRig(t)
		v2.Entra.IssueV2(storageAudience, "")
		_, err := dialAzurite(t, r, v2.credential(t), "").CreateContainer(t.Context(), "another", nil)
		refused(t, err, "Invalid token issuer")
	})
}

// refused requires the service's refusal, with its reason.
func refused(t *testing.T, err error, reason string) {
	t.Helper()
	require.True(t, bloberror.HasCode(err, bloberror.AuthenticationFailed), "%v", err)
	require.ErrorContains(t, err, reason)
}
