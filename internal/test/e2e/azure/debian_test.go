package azure_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// debianPython is the distribution's Python. The distribution's libraries are for it. Another
// Python may come first in PATH.
const debianPython = "/usr/bin/python3"

// debian returns the path of the distribution's packages that ./install extracts if they are not
// installed.
func debian(elements ...string) string {
	path, err := filepath.Abs(filepath.Join(append([]string{".debian", "usr"}, elements...)...))
	if err != nil {
		panic(err) // the working directory is gone
	}
	return path
}

// debianPath puts the extracted programs first in PATH.
func debianPath() string { return "PATH=" + debian("bin") + ":" + os.Getenv("PATH") }

// debianLibraries adds the extracted libraries to the distribution's Python.
func debianLibraries() string { return "PYTHONPATH=" + debian("lib", "python3", "dist-packages") }

func requirePython(t *testing.T) {
	t.Helper()
	look := exec.Command(debianPython, "-c", "import azure.identity, msal")
	look.Env = []string{debianLibraries()}
	if output, err := look.CombinedOutput(); err != nil {
		missing(t, "Python's azure-identity and msal: "+string(output))
	}
}

// missing skips a test because something is missing. Where everything must be installed, it fails
// the test.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv(required) != "" {
		t.Fatalf("run ./install; missing: %s", what)
	}
	t.Skipf("run ./install; missing: %s", what)
}
