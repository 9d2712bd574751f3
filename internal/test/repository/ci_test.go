package repository_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPartsOfCI compares the workflow's matrix and CONTRIBUTING's table with the parts of .ci/run.
func TestPartsOfCI(t *testing.T) {
	want := parts(t)
	assert.Equal(t, want, strings.Split(find(t, ".github/workflows/ci.yml", `(?m)^ +part: \[(.*)\]`), ", "))

	var table []string
	section := find(t, "CONTRIBUTING.md", `(?s)\n## What CI runs\n(.*?)\n## `)
	for _, row := range regexp.MustCompile("(?m)^\\| `(.+?)` \\|").FindAllStringSubmatch(section, -1) {
		table = append(table, row[1])
	}
	assert.Equal(t, want, table)
}

// TestEveryModuleHasAPart fails for a module that no part of .ci/run tests.
func TestEveryModuleHasAPart(t *testing.T) {
	all := parts(t)
	for _, folder := range modules(t) {
		assert.Containsf(t, all, partOf(folder), "no part of .ci/run tests the module in %s", folder)
	}
}

// TestDependabotUpdatesEveryModule compares the directories in dependabot.yml with the modules.
func TestDependabotUpdatesEveryModule(t *testing.T) {
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^ +- /(.*)$`).FindAllStringSubmatch(read(t, ".github/dependabot.yml"), -1) {
		listed = append(listed, path.Clean(row[1]))
	}
	assert.ElementsMatch(t, append(modules(t), ".ci/lint"), listed)
}

// TestActionsArePinned checks that the workflows name every action by its commit. The owner of an
// action can move its tags.
func TestActionsArePinned(t *testing.T) {
	workflows, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, workflows)
	pinned := regexp.MustCompile(`^(\./\.github/workflows/\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$`)
	for _, file := range workflows {
		text := read(t, path.Join(".github/workflows", filepath.Base(file)))
		for _, action := range regexp.MustCompile(`(?m)\buses: *(.*)$`).FindAllStringSubmatch(text, -1) {
			assert.Regexpf(t, pinned, action[1], "%s: an action is pinned by its commit, with the version as a comment", file)
		}
	}
}

// modules returns the folders of the repository's modules, except the linters' module, which the go
// command ignores.
func modules(t *testing.T) (folders []string) {
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && ignored(entry.Name()):
			return fs.SkipDir
		case entry.Name() != "go.mod":
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(file))
		folders = append(folders, filepath.ToSlash(folder))
		return err
	}))
	return folders
}

// partOf returns the part of .ci/run that tests the module in folder.
func partOf(folder string) string {
	switch {
	case folder == ".":
		return "quick"
	case strings.HasPrefix(folder, "examples/"):
		return "examples"
	}
	return strings.TrimPrefix(folder, "internal/test/")
}

// parts returns the parts of .ci/run, in order.
func parts(t *testing.T) []string {
	return strings.Fields(find(t, ".ci/run", `(?m)^parts=\((.+)\)$`))
}

// find returns the match of the pattern's group in a file of the repository.
func find(t *testing.T, name, pattern string) string {
	match := regexp.MustCompile(pattern).FindStringSubmatch(read(t, name))
	require.NotNilf(t, match, "%s does not match %s", name, pattern)
	return match[1]
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	require.NoError(t, err)
	return string(text)
}
