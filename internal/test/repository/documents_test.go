package repository_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// documents returns the repository's Markdown files by their path from the root.
func documents(t *testing.T) map[string]string {
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && ignored(entry.Name()):
			return fs.SkipDir
		case filepath.Ext(file) != ".md":
			return nil
		}
		text, err := os.ReadFile(file)
		found[filepath.ToSlash(strings.TrimPrefix(file, root+string(filepath.Separator)))] = string(text)
		return err
	}))
	require.Contains(t, found, "README.md")
	return found
}

// TestLinksOfDocuments checks that the targets of relative links exist, including headings.
func TestLinksOfDocuments(t *testing.T) {
	code := regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	link := regexp.MustCompile(`\]\(([^)\s#]*)(?:#([^)\s]*))?\)`)
	all := documents(t)
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			target, part := m[1], m[2]
			if strings.Contains(target, ":") {
				continue // an absolute URL
			}
			page := name
			if target != "" {
				page = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			_, err := os.Stat(filepath.Join(root, page))
			if assert.NoErrorf(t, err, "%s leads to %s", name, target) && part != "" {
				assert.Containsf(t, anchors(all[page]), part, "%s leads to %s", name, m[0])
			}
		}
	}
}

// anchors returns the anchors of a page's headings, as a forge generates them.
func anchors(text string) (names []string) {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(plain, " ", "-"))
	}
	return names
}

// Documents name the test or benchmark that proves a claim. TestTestsThatDocumentsName checks that
// it exists.
func TestTestsThatDocumentsName(t *testing.T) {
	defined := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(s.path)))
		require.NoError(t, err)
		for _, f := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			defined[f[1]] = true
		}
	}
	for name, text := range documents(t) {
		for _, mention := range regexp.MustCompile(`\b(?:Test|Benchmark|Fuzz)[A-Z]\w+`).FindAllString(text, -1) {
			assert.Truef(t, defined[mention], "%s names %s, which does not exist", name, mention)
		}
	}
}
