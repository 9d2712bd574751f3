package tokenfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/tokenfile"
)

// FuzzFile checks that, whatever a file holds, Assertion returns the token as it is in the file, or
// an error of one line that names the file and quotes nothing from it.
func FuzzFile(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("\ufeff" + compact(`{"exp":9999999999}`) + "\r\n"))
	f.Add([]byte("\xff\xfea\x00"))
	for raw := range malformedTokens {
		if len(raw) < 1000 {
			f.Add([]byte(raw))
		}
	}
	path := filepath.Join(f.TempDir(), "token")
	f.Fuzz(func(t *testing.T, content []byte) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		// In the bubble, the pauses between attempts take no time.
		synctest.Test(t, func(t *testing.T) {
			raw, err := tokenfile.New(path).Assertion(t.Context())
			if err == nil {
				require.Equal(t, raw, strings.TrimSpace(strings.TrimPrefix(string(content), "\ufeff")))
				return
			}
			require.Empty(t, raw)
			require.NotContains(t, err.Error(), "\n")
			require.Contains(t, err.Error(), path)
			require.Empty(t, leak(strings.ReplaceAll(err.Error(), path, ""), string(content)))
		})
	})
}
