package redact

import (
	"strconv"
	"strings"
)

// Path quotes a path for an error or a log. It uses backquotes, so that a Windows path can be
// pasted, unless the path contains a backquote or a character that does not print. It shows what
// may be a URL as [URL] does.
func Path(path string) string {
	if strings.Contains(path, "?") || hasPassword(path) {
		path = URL(path)
	} else {
		path = Setting(path) // a # may be part of a folder's name
	}
	if strconv.CanBackquote(path) && strings.IndexFunc(path, func(c rune) bool { return !strconv.IsPrint(c) }) < 0 {
		return "`" + path + "`"
	}
	return strconv.Quote(path)
}
