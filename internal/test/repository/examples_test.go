package repository_test

import (
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plumbing lists methods that other packages call, and why users do not.
var plumbing = map[string]string{
	"Error":        "makes an error",
	"Unwrap":       "errors.Is and errors.As call it",
	"NonRetriable": "azcore's retry policy looks for it",
	"Format":       "package fmt calls it",
	"String":       "package fmt calls it",
	"LogValue":     "log/slog calls it",
	"MarshalJSON":  "encoding/json calls it",
	"MarshalText":  "encoders call it",
	"RoundTrip":    "net/http calls it",
}

// elsewhere maps entry points without their own example to the example in their package that shows
// them.
var elsewhere = map[string]string{
	"cache.Cache.StatusOf":                "Cache_Forget",
	"cache.Flight.Background":             "FlightOf",
	"cache.Flight.ID":                     "FlightOf",
	"credential.Credential.ClientID":      "Credential_Host",
	"credential.Credential.TenantID":      "Credential_Host",
	"credential.Credential.TokenProxy":    "Credential_Host",
	"credential.Error.Cause":              "Error_Summary",
	"credential.Error.Fix":                "Error_Summary",
	"exchange.Error.IDs":                  "Error_Said",
	"exchange/entratest.CA.Certificate":   "NewCA",
	"exchange/entratest.CA.PEM":           "TokenProxy_ServeHTTP",
	"exchange/entratest.CA.Pool":          "NewCA",
	"exchange/entratest.Projection.Path":  "Cluster_Project",
	"exchange/entratest.Projection.Token": "Cluster_Project",
}

// TestEveryEntryPointHasAnExample checks that an example shows every function and method that users
// call, and that it runs.
func TestEveryEntryPointHasAnExample(t *testing.T) {
	shown, stale, methods := examples(t), maps.Clone(elsewhere), map[string]bool{}
	for _, entry := range entryPoints(t) {
		_, method, _ := strings.Cut(entry.name, ".")
		methods[method] = true
		delete(stale, entry.String())
		own := shown[entry.folder+"."+strings.ReplaceAll(entry.name, ".", "_")]
		if name, listed := elsewhere[entry.String()]; listed {
			other := shown[entry.folder+"."+name]
			assert.Nilf(t, own, "%s has its own example: remove it from the list", entry)
			assert.Truef(t, other != nil && uses(other, method), "Example%s does not show %s", name, entry)
		} else if plumbing[method] == "" {
			assert.NotNilf(t, own, "%s has no example", entry)
		}
	}
	assert.Empty(t, stale, "these entries are no longer exported")
	for method := range plumbing {
		assert.Truef(t, methods[method], "no type has a method %s", method)
	}
}

// TestEveryExampleRuns checks that every example has output. Without it, an example is compiled but
// does not run.
func TestEveryExampleRuns(t *testing.T) {
	for name, example := range examples(t) {
		assert.Truef(t, example.Output != "" || example.EmptyOutput, "Example%s has no // Output:", name)
	}
}

// entryPoint is an exported function (New) or method (Client.Exchange) of a public package.
type entryPoint struct{ folder, name string }

func (e entryPoint) String() string { return e.folder + "." + e.name }

func entryPoints(t *testing.T) (all []entryPoint) {
	packages := publicPackages(t)
	imports := importer.ForCompiler(token.NewFileSet(), "gc", exportData(t, packages))
	for _, path := range packages {
		p, err := imports.Import(path)
		require.NoError(t, err)
		for _, name := range p.Scope().Names() {
			for _, called := range callable(p.Scope().Lookup(name)) {
				all = append(all, entryPoint{strings.TrimPrefix(path, module+"/"), called})
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

// callable returns the name of an exported function, or those of an exported type's methods.
func callable(object types.Object) (names []string) {
	if !object.Exported() {
		return nil
	}
	switch object.(type) {
	case *types.Func:
		names = append(names, object.Name())
	case *types.TypeName:
		for selection := range types.NewMethodSet(types.NewPointer(object.Type())).Methods() {
			if selection.Obj().Exported() {
				names = append(names, object.Name()+"."+selection.Obj().Name())
			}
		}
	}
	return names
}

// examples returns the examples of the public packages by folder and name, with and without the
// suffix of a second example for the same entry point.
func examples(t *testing.T) map[string]*doc.Example {
	public, found := publicPackages(t), map[string]*doc.Example{}
	for _, s := range sources(t) {
		if !s.test() || !slices.Contains(public, module+"/"+s.folder()) {
			continue
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(s.path)), nil, parser.ParseComments)
		require.NoError(t, err)
		for _, example := range doc.Examples(syntax) {
			found[s.folder()+"."+example.Name] = example
			if base := suffix.ReplaceAllString(example.Name, ""); found[s.folder()+"."+base] == nil {
				found[s.folder()+"."+base] = example
			}
		}
	}
	return found
}

// suffix matches the suffix of an example's name, which starts in lower case.
var suffix = regexp.MustCompile(`_[^_A-Z][^_]*$`)

// uses reports whether an example calls the method of something.
func uses(example *doc.Example, method string) (used bool) {
	ast.Inspect(example.Code, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		used = used || ok && selector.Sel.Name == method
		return !used
	})
	return used
}
