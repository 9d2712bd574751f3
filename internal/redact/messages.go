package redact

import (
	"io"
	"regexp"
	"strconv"
	"strings"
)

// value matches a quoted value or a word.
var value = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|[^\s"]+`)

// Message makes a message safe to show: each word and each quoted value, as by [Setting]. Errors
// about files and Entra ID quote what somebody typed.
func Message(s string) string {
	return message(s, func(s string) string {
		if !strings.Contains(s, " ") || seemsToken.MatchString(s) {
			return Setting(s)
		}
		words := strings.Split(s, " ") // a sentence in quotes
		for i, word := range words {
			words[i] = withoutAccess(word)
		}
		return strings.Join(words, " ")
	})
}

// message applies show to each word and each quoted value of s.
func message(s string, show func(string) string) string {
	return value.ReplaceAllStringFunc(s, func(s string) string {
		if s[0] != '"' {
			return show(s)
		}
		quoted, err := strconv.Unquote(s)
		if err != nil {
			return show(s)
		}
		return strconv.Quote(show(quoted))
	})
}

// Messages returns a writer to w that shows each word and each quoted value of a message as by
// [URL]. It is for flag parsers, whose errors quote the command line. Write messages whole.
func Messages(w io.Writer) io.Writer { return messages{w} }

type messages struct{ to io.Writer }

// Write implements [io.Writer].
func (m messages) Write(p []byte) (int, error) {
	_, err := io.WriteString(m.to, message(string(p), URL))
	return len(p), err
}
