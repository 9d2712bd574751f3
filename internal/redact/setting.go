package redact

import (
	"net/url"
	"regexp"
	"strings"
)

var (
	// seemsToken matches the start of a JWT. It does not match words such as TestKeyJar, in which
	// eyJ occurs by chance.
	seemsToken = regexp.MustCompile(`(?:^|[^\w-])eyJ[\w-]{10,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}`)

	// announcesToken matches text that people copy along with a token.
	announcesToken = regexp.MustCompile(`(?i)^\W*(?:bearer\s|\w*token\s*[=:]\s*\S)`)

	// password matches a user and a password before a host without a scheme.
	password = regexp.MustCompile(`:.*@`)

	// drive matches the start of a Windows path.
	drive = regexp.MustCompile(`^[A-Za-z]:[\\/]`)
)

// HoldsToken reports whether s, the value of a setting, seems to be or to contain a token. If so,
// do not show any of it: pieces of a token look like any other text.
func HoldsToken(s string) bool {
	return announcesToken.MatchString(s) || seemsToken.MatchString(strings.Join(strings.Fields(s), ""))
}

// Setting makes a setting's value, or a parameter of a request, safe to show. It replaces a value
// that seems to contain a token as a whole. It removes a URL's userinfo, the values of its query
// and its fragment, because any of them may grant access. Other values it leaves alone: a subject
// may have colons and an @. For a value that should be a URL or a host, use [URL].
func Setting(s string) string {
	if HoldsToken(s) {
		return Mark
	}
	return withoutAccess(s)
}

// URL is Setting for a value that should be a URL or a host, with or without its scheme, or that
// may be anything, such as a command's argument.
func URL(s string) string {
	if strings.Contains(s, "://") {
		return Setting(s)
	}
	if HoldsToken(s) || hasPassword(s) {
		return Mark
	}
	return New("").Clean(withoutQuery(s))
}

// hasPassword reports whether s, which has no scheme, contains a user and a password.
func hasPassword(s string) bool { return password.MatchString(drive.ReplaceAllString(s, "")) }

// withoutAccess removes from the URLs in s, which are words of it, what may grant access.
func withoutAccess(s string) string {
	if _, err := url.Parse(s); err != nil && strings.Contains(s, "://") && strings.Contains(s, "@") {
		return Mark // a password that was not encoded
	}
	words := strings.Split(s, " ") // a request may name several scopes
	for i, word := range words {
		words[i] = publicURL(word)
	}
	return New("").Clean(strings.Join(words, " "))
}

// publicURL removes from a URL what may grant access. It returns other words unchanged.
func publicURL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	end := rest[len(strings.TrimRight(rest, "'\")]}>:,;.")):] // of a sentence around the URL
	rest = withoutQuery(strings.TrimSuffix(rest, end))
	host, path, rooted := strings.Cut(rest, "/")
	if i := strings.LastIndex(host, "@"); i >= 0 {
		host = Mark + host[i:]
	}
	if rooted {
		path = "/" + publicURL(path) // a URL may hold another one
	}
	return scheme + "://" + host + path + end
}

// withoutQuery removes the values of a URL's query, and its fragment.
func withoutQuery(s string) string {
	s, _, fragment := strings.Cut(s, "#")
	s, query, queried := strings.Cut(s, "?")
	if queried {
		s += "?" + names(query)
	}
	if fragment {
		s += "#…"
	}
	return s
}

// names returns a query without its values.
func names(query string) string {
	if query == "" {
		return ""
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, named := strings.Cut(part, "=")
		if parts[i] = "…"; named {
			parts[i] = name + "=…"
		}
	}
	return strings.Join(parts, "&")
}
