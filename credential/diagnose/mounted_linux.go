package diagnose

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// mounted tells whether the file itself is a mount point, as a subPath is (proc_pid_mountinfo(5)).
func mounted(path string) bool {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return hasMountPoint(f, path)
}

// hasMountPoint looks into the fifth field, in which white space and backslashes are octal and links are resolved: /var/run is one
// to /run in many images.
func hasMountPoint(mountinfo io.Reader, path string) bool {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	path = filepath.Clean(path)
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && octal.Replace(fields[4]) == path {
			return true
		}
	}
	return false
}

var octal = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
