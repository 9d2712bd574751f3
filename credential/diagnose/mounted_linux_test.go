package diagnose_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
)

func TestMountOfASingleFileIsFound(t *testing.T) {
	const mountinfo = `1526 1519 0:142 / /var/run/secrets/azure/wi ro,relatime - tmpfs tmpfs rw,size=65536k
1527 1519 8:1 /var/lib/kubelet/pods/x/volume-subpaths/token/app/0 /etc/token\040file/azure-identity-token ro,relatime - ext4 /dev/sda1 rw
short line
`
	for path, want := range map[string]bool{
		"/etc/token file/azure-identity-token":                 true,
		"/var/run/secrets/azure/wi":                            true,
		"/var/run/secrets/azure/wi/token/azure-identity-token": false,
		"/etc/token file":                                      false,
	} {
		require.Equal(t, want, diagnose.HasMountPoint(strings.NewReader(mountinfo), path), path)
	}
}

// The kernel lists the resolved path. The variable may name another, such as /var/run, which links
// to /run.
func TestMountIsFoundThroughALink(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "run"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run", "token"), nil, 0o600))
	require.NoError(t, os.Symlink("run", filepath.Join(dir, "var-run")))
	mountinfo := "1527 1519 8:1 /token " + filepath.Join(dir, "run", "token") + " ro - ext4 /dev/sda1 rw\n"
	require.True(t, diagnose.HasMountPoint(strings.NewReader(mountinfo), filepath.Join(dir, "var-run", "token")))
}
