package diagnose

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// mounted reports whether the file itself is a mount point, like a subPath mount
// (proc_pid_mountinfo(5)).
func mounted(path string) bool {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return hasMountPoint(f, path)
}

// hasMountPoint looks for path in the fifth field of mountinfo. There, white space and backslashes
// are octal escapes, and symbolic links are resolved: in many images, /var/run links to /run.
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
