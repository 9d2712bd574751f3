package diagnose_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
)

func TestMountOfTheFileAloneIsFound(t *testing.T) {
	const mountinfo = `1526 1519 0:142 / /var/run/secrets/azure/tokens ro,relatime - tmpfs tmpfs rw,size=65536k
1527 1519 8:1 /var/lib/kubelet/pods/x/volume-subpaths/token/app/0 /etc/token\040file/azure-identity-token ro,relatime - ext4 /dev/sda1 rw
short line
`
	for path, want := range map[string]bool{
		"/etc/token file/azure-identity-token":               true,
		"/var/run/secrets/azure/tokens":                      true,
		"/var/run/secrets/azure/tokens/azure-identity-token": false,
		"/etc/token file":                                    false,
	} {
		require.Equal(t, want, diagnose.HasMountPoint(strings.NewReader(mountinfo), path), path)
	}
}
