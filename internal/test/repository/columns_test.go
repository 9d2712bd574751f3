package repository_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

const columns = 100

// unbreakable matches lines that cannot wrap: directives, a single long word such as a URL, tables
// and code in comments.
var unbreakable = regexp.MustCompile(`nolint|lint:ignore|#nosec|revive:|^\s*//go:|^\s*(// |- |\[.*\]: )*[(]?\S+$|^\s*//(\t|   )|^\|`)

// TestProseWraps checks that comments and Markdown wrap at 100 columns. A tab counts as four.
func TestProseWraps(t *testing.T) {
	names, err := exec.Command("git", "-C", root, "ls-files", "*.go", "*.md").Output()
	if err != nil || len(names) == 0 {
		t.Skipf("the list of files needs git and a work tree: %v", err)
	}
	for name := range strings.FieldsSeq(string(names)) {
		verbatim := false // a block of code in Markdown, or an example's output
		for i, line := range strings.Split(read(t, name), "\n") {
			text := strings.TrimSpace(line)
			prose := strings.HasSuffix(name, ".md")
			switch {
			case prose && strings.HasPrefix(text, "```"):
				verbatim = !verbatim
			case !prose:
				prose = strings.HasPrefix(text, "//")
				verbatim = prose && (verbatim || strings.HasPrefix(text, "// Output:"))
			}
			if prose && !verbatim && !unbreakable.MatchString(line) {
				width := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
				assert.LessOrEqual(t, width, columns, "%s:%d: %s", name, i+1, line)
			}
		}
	}
}
