package repository_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../../.."
	module = "github.com/entrafed/entrafed"
)

// source is a Go file of the repository, from any module and for any system.
type source struct {
	path    string // from the repository's root, with slashes
	command bool
	imports []string
}

func (s source) folder() string { return path.Dir(s.path) }
func (s source) test() bool     { return strings.HasSuffix(s.path, "_test.go") }

// public reports whether users can import the file's package.
func (s source) public() bool {
	return !s.test() && !s.command && !strings.Contains("/"+s.path, "/internal/") && !under(s.path, "examples/")
}

// sources parses every Go file, except in folders that the go command ignores. Because the test
// reads the files, a cached result does not survive a change.
func sources(t *testing.T) (found []source) {
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && ignored(entry.Name()):
			return fs.SkipDir
		case !entry.IsDir() && path.Ext(file) == ".go":
			found = append(found, parse(t, file))
		}
		return nil
	}))
	require.NotEmpty(t, found)
	return found
}

func ignored(folder string) bool {
	return folder == "testdata" || folder == "node_modules" || strings.HasPrefix(folder, ".") || strings.HasPrefix(folder, "_")
}

func parse(t *testing.T, file string) source {
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	require.NoError(t, err)
	relative, err := filepath.Rel(root, file)
	require.NoError(t, err)
	s := source{path: filepath.ToSlash(relative), command: syntax.Name.Name == "main"}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		s.imports = append(s.imports, imported)
	}
	return s
}

// under reports whether path is one of places or, for a place that ends with a slash, below it.
func under(path string, places ...string) bool {
	for _, place := range places {
		if path == place || strings.HasSuffix(place, "/") && strings.HasPrefix(path, place) {
			return true
		}
	}
	return false
}
