// Package redact makes other parties' text safe for errors and logs: one line, bounded, and without
// the assertion or pieces of it.
package redact

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	// Mark replaces a secret.
	Mark = "[redacted]"

	// piece is the length of the shortest run of an assertion's characters that counts as secret:
	// 48 bits of a signature.
	piece = 8

	// gram is the length of a run that is cheap to look up. Every piece contains one that starts at
	// a multiple of stride.
	gram, stride = 4, 5

	// MaxText bounds the text that is kept of another party's message, MaxName that of a name or an
	// ID. Entra ID's are shorter.
	MaxText = 2048
	MaxName = 128
)

// Redactor removes assertions, and pieces of them, from text that another party wrote. It ignores
// case, because a parser may have changed it. Its work is linear in the text. The first text that
// may quote an assertion also costs sorting the pieces, and eight bytes of memory for each.
type Redactor struct {
	grams  *[1 << 8]uint64 // one bit for each gram's hash, so that most texts need no pieces
	pieces func() []uint64 // in ascending order; a func, which does not print its result
}

// New returns a Redactor for the assertions. Without any, it only removes text that looks like a
// JWT.
func New(assertions ...string) Redactor {
	// No word contains a newline, so no piece spans two assertions.
	joined := strings.Trim(strings.Join(assertions, "\n"), "\n")
	if joined == "" {
		return Redactor{}
	}
	text := []byte(strings.ToLower(joined))
	r := Redactor{new([1 << 8]uint64), sync.OnceValue(func() []uint64 { return pieces(text) })}
	for i := 0; i+gram <= len(text); i += stride {
		at, bit := hash(text[i:])
		r.grams[at] |= bit
	}
	return r
}

// pieces returns every piece of text as a number, in ascending order.
func pieces(text []byte) []uint64 {
	all := make([]uint64, max(0, len(text)-piece+1))
	for i := range all {
		all[i] = binary.NativeEndian.Uint64(text[i:])
	}
	slices.Sort(all)
	return all
}

// hash returns the position of the bit for the gram at the start of text.
func hash(text []byte) (at uint8, bit uint64) {
	h := binary.LittleEndian.Uint32(text) * 0x9E3779B1
	return uint8(h >> 24), 1 << (h >> 18 & 63)
}

// Text makes another party's text safe to print: one line, at most about n bytes, no control
// characters, no secret.
func (r Redactor) Text(s string, n int) string {
	return r.Clean(OneLine(Clip(s, n)))
}

// Clean replaces every word that contains a piece of the assertion, or that looks like a JWT. It
// ignores invisible characters within a word, such as the NULs of UTF-16.
func (r Redactor) Clean(s string) string {
	var b strings.Builder
	for s != "" {
		rest := strings.TrimLeftFunc(s, wordRune)
		word := s[:len(s)-len(rest)]
		if seen := visible(word); r.holdsPiece(seen) || looksLikeJWT(seen) {
			b.WriteString(Mark)
		} else {
			b.WriteString(word)
		}
		s = strings.TrimLeftFunc(rest, func(c rune) bool { return !wordRune(c) })
		b.WriteString(rest[:len(rest)-len(s)])
	}
	return b.String()
}

// holdsPiece reports whether word, which is ASCII, contains a piece of the assertion.
func (r Redactor) holdsPiece(word string) bool {
	if r.grams == nil {
		return false
	}
	text := []byte(strings.ToLower(word))
	start := 0 // start of the first piece that has not been looked up
	for i := 0; i+gram <= len(text); i++ {
		at, bit := hash(text[i:])
		if r.grams[at]&bit == 0 {
			continue
		}
		// Look up the pieces of word that contain the gram.
		for start = max(start, i+gram-piece); start <= min(i, len(text)-piece); start++ {
			if _, found := slices.BinarySearch(r.pieces(), binary.NativeEndian.Uint64(text[start:])); found {
				return true
			}
		}
	}
	return false
}

// wordRune reports whether c belongs to a word: it can be part of a token, or is invisible.
func wordRune(c rune) bool { return tokenRune(c) || invisible(c) }

// tokenRune reports whether c can be part of a token: a character of base64 or base64url, or a
// separator of tokens.
func tokenRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_.~+/=%", c)
}

// invisible reports whether c is a control or format character other than white space.
func invisible(c rune) bool { return !unicode.IsPrint(c) && !unicode.IsSpace(c) }

// visible returns s without its invisible characters.
func visible(s string) string {
	return strings.Map(func(c rune) rune {
		if invisible(c) {
			return -1
		}
		return c
	}, s)
}

// looksLikeJWT reports whether word contains a long enough run that starts like a JSON object in
// base64.
func looksLikeJWT(word string) bool {
	i := strings.Index(word, "eyJ")
	return i >= 0 && len(word)-i >= 20
}

// Error returns err if its text is safe to print: one line, at most about MaxText bytes, no secret.
// Otherwise it returns an error with the text made safe. That error wraps err, unless err quotes a
// secret.
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

// tidiedError is an error whose text was too long or had several lines.
type tidiedError struct {
	text string
	err  error
}

func (e *tidiedError) Error() string { return e.text }
func (e *tidiedError) Unwrap() error { return e.err }

// redactedError hides an error that quotes a secret. errors.Is still finds what that wraps.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// GoString keeps all verbs from printing the hidden error.
func (e *redactedError) GoString() string { return e.text }

// NonRetriable keeps azcore from sending the assertion again to a server that echoed it.
func (e *redactedError) NonRetriable() {}

// OneLine folds white space, including line breaks, and drops invisible characters.
func OneLine(s string) string { return strings.Join(strings.Fields(visible(s)), " ") }

// Clip cuts s to at most n bytes of whole characters.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
