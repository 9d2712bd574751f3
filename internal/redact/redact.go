// Package redact makes text that another party wrote fit for errors and logs: one line, bounded, without the assertion or pieces
// of it.
package redact

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// Mark stands for what was secret.
	Mark = "[redacted]"

	// piece is the shortest run of an assertion's characters that gives it away: 48 bits of a signature.
	piece = 8

	// gram is a run that is cheap to look up. Every piece holds one of those that begin at the multiples of stride.
	gram, stride = 4, 5

	// MaxText bounds what is kept of a text that another party sent, MaxName what is kept of a name or an ID. Entra ID's are
	// shorter.
	MaxText = 2048
	MaxName = 128
)

// Redactor removes an assertion, and pieces of it, from text that another party wrote. It ignores case, because a parser may
// have changed it. Its work is linear in the length of the text.
type Redactor struct {
	grams *[1 << 8]uint64   // a bit for each of the assertion's, by hash: few texts have one, and an exchange pays little for it
	holds func(string) bool // whether the assertion holds a piece; a function does not print
}

// New returns a Redactor for the assertion; "" for none, which removes what looks like a JWT all the same.
func New(assertion string) Redactor {
	if assertion == "" {
		return Redactor{}
	}
	assertion = strings.ToLower(assertion)
	r := Redactor{new([1 << 8]uint64), func(piece string) bool { return strings.Contains(assertion, piece) }}
	for i := 0; i+gram <= len(assertion); i += stride {
		at, bit := hash(assertion[i:])
		r.grams[at] |= bit
	}
	return r
}

// hash tells where the bit is of the gram that s begins with.
func hash(s string) (at uint8, bit uint64) {
	h := (uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24) * 0x9E3779B1
	return uint8(h >> 24), 1 << (h >> 18 & 63)
}

// Text makes what the other side wrote fit to print: one line, at most about n bytes, no control characters, nothing secret.
func (r Redactor) Text(s string, n int) string {
	return r.Clean(OneLine(Clip(s, n)))
}

// Clean replaces every word that holds a piece of the assertion, or that looks like a JWT of any kind.
func (r Redactor) Clean(s string) string {
	var b strings.Builder
	for s != "" {
		rest := strings.TrimLeftFunc(s, tokenRune)
		if word := s[:len(s)-len(rest)]; r.holdsPiece(word) || looksLikeJWT(word) {
			b.WriteString(Mark)
		} else {
			b.WriteString(word)
		}
		s = strings.TrimLeftFunc(rest, func(c rune) bool { return !tokenRune(c) })
		b.WriteString(rest[:len(rest)-len(s)])
	}
	return b.String()
}

func (r Redactor) holdsPiece(word string) bool {
	if r.grams == nil {
		return false
	}
	word = strings.ToLower(word)
	for i := 0; i+gram <= len(word); i++ {
		if at, bit := hash(word[i:]); r.grams[at]&bit != 0 && r.holdsPieceOf(word[max(0, i+gram-piece):min(len(word), i+piece)]) {
			return true
		}
	}
	return false
}

// holdsPieceOf tells whether the assertion holds one of the pieces of s.
func (r Redactor) holdsPieceOf(s string) bool {
	for ; len(s) >= piece; s = s[1:] {
		if r.holds(s[:piece]) {
			return true
		}
	}
	return false
}

// tokenRune tells whether c can be part of a token: the characters of base64, base64url and their separators.
func tokenRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_.~+/=%", c)
}

// looksLikeJWT tells whether word holds base64 of a JSON object's beginning, and much of it.
func looksLikeJWT(word string) bool {
	i := strings.Index(word, "eyJ")
	return i >= 0 && len(word)-i >= 20
}

// Error returns err if what it says is fit to print: one line, at most about MaxText bytes, nothing secret. Otherwise it returns
// an error that says that much of it. That one leads to err, unless err quotes a secret.
func (r Redactor) Error(err error) error {
	text := err.Error()
	clean := r.Clean(text)
	fit := Clip(OneLine(clean), MaxText)
	switch text {
	case fit:
		return err
	case clean:
		return &tidiedError{fit, err}
	}
	return &redactedError{fit, err}
}

// tidiedError is an error of too many words or lines.
type tidiedError struct {
	text string
	err  error
}

func (e *tidiedError) Error() string { return e.text }
func (e *tidiedError) Unwrap() error { return e.err }

// redactedError hides an error but for what it is.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// GoString keeps every verb from printing the hidden error.
func (e *redactedError) GoString() string { return e.text }

// NonRetriable keeps azcore from sending the assertion again to what threw it back.
func (e *redactedError) NonRetriable() {}

// OneLine replaces control characters, line ends among them, and folds white space.
func OneLine(s string) string {
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// Clip shortens s to at most n bytes of whole characters.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
