package repository_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	azcore     = "github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azidentity = "github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	jwt        = "github.com/golang-jwt/jwt/v5"
	msal       = "github.com/AzureAD/microsoft-authentication-library-for-go"
	testify    = "github.com/stretchr/testify"
)

type list []string

// architecture lists the public packages. reaches is what each may depend on within this module,
// directly or not; imports is what it may import from other modules. The packages below credential
// do not know each other. The fake shares no code with the client, because both would have the same
// mistakes.
var architecture = []struct {
	pkg     string
	reaches list
	imports list
}{
	{"credential", list{"cache", "exchange", "tokenfile", "internal/"}, list{azcore}},
	{"credential/diagnose", list{"credential", "cache", "exchange", "tokenfile", "internal/"}, list{azcore, jwt}},
	{"exchange", list{"internal/"}, list{azcore}},
	{"exchange/entratest", nil, list{jwt}},
	{"tokenfile", list{"internal/"}, list{jwt}},
	{"cache", list{"internal/"}, list{azcore}},
}

func TestImportsRunOneWay(t *testing.T) {
	all := sources(t)
	for _, row := range architecture {
		t.Run(row.pkg, func(t *testing.T) {
			seen := map[string]bool{row.pkg: true}
			for todo := (list{row.pkg}); len(todo) > 0; todo = todo[1:] {
				for _, s := range of(all, todo[0]) {
					for _, imported := range s.own() {
						if seen[imported] {
							continue
						}
						seen[imported] = true
						if assert.Truef(t, under(imported, row.reaches...), "%s imports %s, and %s may reach only %q", s.path, imported, row.pkg, row.reaches) {
							todo = append(todo, imported)
						}
					}
				}
			}
		})
	}
}

func TestDependenciesOfEachPackage(t *testing.T) {
	all := sources(t)
	for _, row := range architecture {
		for _, s := range of(all, row.pkg) {
			for _, imported := range s.foreign() {
				assert.Truef(t, below(imported, row.imports...), "%s imports %s, and %s may import only %q", s.path, imported, row.pkg, row.imports)
			}
		}
	}
}

func TestEveryPublicPackageIsListed(t *testing.T) {
	known := map[string]bool{}
	for _, row := range architecture {
		known[row.pkg] = true
	}
	for _, s := range sources(t) {
		assert.Truef(t, !s.public() || known[s.folder()], "%s: users can import %s, which architecture does not list", s.path, s.folder())
	}
}

func TestCacheKnowsNoHTTP(t *testing.T) {
	for _, s := range of(sources(t), "cache") {
		for _, imported := range s.imports {
			assert.Falsef(t, below(imported, "net", "crypto"), "%s imports %s", s.path, imported)
		}
	}
}

// An application downloads little for one workload token. That is the point of this library.
func TestHeavyImportsStayInModulesOfTheirOwn(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			if below(imported, azidentity, msal) {
				assert.Truef(t, under(s.path, "internal/test/bench/", "internal/test/e2e/", "examples/azuresdk/"), "%s imports %s", s.path, imported)
			}
			if below(imported, testify) {
				assert.Truef(t, s.test(), "%s imports %s, but is not a test", s.path, imported)
			}
		}
	}
}

func TestDirectDependencies(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	var direct []string
	for _, required := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+) v\S+$`).FindAllStringSubmatch(string(text), -1) {
		direct = append(direct, required[1])
	}
	require.ElementsMatch(t, []string{azcore, jwt, testify}, direct)
}

// of returns a package's files, without tests.
func of(all []source, folder string) (files []source) {
	for _, s := range all {
		if s.folder() == folder && !s.test() {
			files = append(files, s)
		}
	}
	return files
}

// own returns the folders of this repository that a file imports.
func (s source) own() (folders []string) {
	for _, imported := range s.imports {
		if folder, ok := strings.CutPrefix(imported, module+"/"); ok {
			folders = append(folders, folder)
		}
	}
	return folders
}

// foreign returns a file's imports from other modules: those that start with a domain name.
func (s source) foreign() (imports []string) {
	for _, imported := range s.imports {
		domain, _, _ := strings.Cut(imported, "/")
		if strings.Contains(domain, ".") && !below(imported, module) {
			imports = append(imports, imported)
		}
	}
	return imports
}

// below reports whether a package is one of packages, or below one.
func below(imported string, packages ...string) bool {
	for _, p := range packages {
		if imported == p || strings.HasPrefix(imported, p+"/") {
			return true
		}
	}
	return false
}
