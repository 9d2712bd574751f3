// Package problems collects everything that is wrong with a configuration, so that fixing it takes
// one round.
package problems

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/entrafed/entrafed/internal/redact"
)

// List is a list of problems. It holds no secret: a token that was given as a setting is redacted.
type List []error

// Add adds err.
func (l *List) Add(err error) { *l = append(*l, redact.New().Error(err)) }

// Addf adds an error formatted as by fmt.Errorf. It shows words among args, which may be settings,
// as [redact.URL] does.
func (l *List) Addf(format string, args ...any) {
	for i, arg := range args {
		if s, ok := arg.(string); ok && (!strings.Contains(s, " ") || strings.Contains(s, "://")) {
			args[i] = redact.URL(s)
		}
	}
	l.Add(fmt.Errorf(format, args...))
}

// Err returns one error for the whole list, or nil if it is empty. Its text is one line that starts
// with the package's name. The errors package finds each error of the list.
func (l List) Err(pkg string) error {
	if len(l) == 0 {
		return nil
	}
	return &joined{pkg, l}
}

// placeholder matches what a template engine, a shell or a person should have replaced.
var placeholder = regexp.MustCompile(`\$\{[^}]*\}|\$\([^)]*\)|\{\{.*\}\}|<[^>]+>|REPLACE-WITH-`)

// Odd says why a setting's value cannot be intended, and shows the value as [redact.URL] does.
// The text continues a sentence that starts with the setting's name. It is empty for a value that
// may be intended.
func Odd(value string) string {
	shown := redact.URL(value)
	switch {
	case redact.HoldsToken(value):
		return "looks like a token, so it is not shown"
	case placeholder.MatchString(value):
		return fmt.Sprintf("is %q, with a placeholder that was not replaced", shown)
	case strings.Trim(value, "\"'`") != value:
		return fmt.Sprintf("is %s, with quotes around it", shown)
	case strings.HasPrefix(value, "file:"):
		return fmt.Sprintf("is %q, a URL", shown)
	}
	return ""
}

type joined struct {
	pkg  string
	list List
}

func (j *joined) Error() string {
	texts := make([]string, len(j.list))
	for i, err := range j.list {
		texts[i] = err.Error()
	}
	return j.pkg + ": " + strings.Join(texts, "; ")
}

func (j *joined) Unwrap() []error { return j.list }

// NonRetriable tells azcore not to retry: the configuration does not change.
func (j *joined) NonRetriable() {}
