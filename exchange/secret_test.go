package exchange_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"

	"github.com/entrafed/entrafed/exchange"
)

// pieces holds every run of eight characters of the assertion, in lower case.
var pieces = func() map[string]bool {
	m, low := map[string]bool{}, lower(assertion)
	for i := 0; i+8 <= len(low); i++ {
		m[low[i:i+8]] = true
	}
	return m
}()

// lower lower-cases ASCII only, so that the length stays the same.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func holdsSecret(text string) string {
	text = lower(text)
	for i := 0; i+8 <= len(text); i++ {
		if pieces[text[i:i+8]] {
			return text[i : i+8]
		}
	}
	return ""
}

func assertNoSecret(t testing.TB, text string) {
	t.Helper()
	if found := holdsSecret(text); found != "" {
		t.Errorf("%q, a piece of the assertion, is in %.3000q", found, text)
	}
}

// printings returns the ways in which an error can end up in a log.
func printings(err error) (texts []string) {
	for e := err; e != nil; e = errors.Unwrap(e) {
		texts = append(texts, e.Error())
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, e), fmt.Sprintf(verb, []any{e}), fmt.Sprintf(verb, struct{ Err error }{e}))
		}
		marshaled, _ := json.Marshal(e)
		texts = append(texts, string(marshaled), logged(e))
	}
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		marshaled, _ := json.Marshal(e)
		texts = append(texts, fmt.Sprintf("%+v", e), fmt.Sprintf("%+v", *e), fmt.Sprintf("%#v", *e), string(marshaled))
	}
	return texts
}

// logged returns what log/slog prints for a value.
func logged(value any) string {
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "value", value)
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "value", value)
	return b.String()
}

func assertNoSecretIn(t testing.TB, err error) {
	t.Helper()
	for _, text := range printings(err) {
		assertNoSecret(t, text)
	}
}

func assertNoAccessToken(t testing.TB, err error) {
	t.Helper()
	for _, text := range printings(err) {
		for i := 0; i+12 <= len(accessToken); i += 4 {
			if strings.Contains(text, accessToken[i:i+12]) {
				t.Errorf("%q, a piece of the access token, is in %.3000q", accessToken[i:i+12], text)
				return
			}
		}
	}
}

// assertFitToPrint checks that text is one non-empty line of printable characters.
func assertFitToPrint(t testing.TB, text string) {
	t.Helper()
	for _, c := range text {
		if !unicode.IsPrint(c) {
			t.Errorf("%U is in %.3000q", c, text)
			return
		}
	}
	assert.NotEmpty(t, text)
}
